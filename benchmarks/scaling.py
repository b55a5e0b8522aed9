"""Time and memory against updates, pixels, classes and questions, with the measured exponents.

uv run python -m benchmarks.scaling [updates|pixels|classes|questions]
    [--threads N] [--clock wall|processor] [--largest N]

Each row is a process of its own, so that its highest memory is its own too.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.timing import CLOCKS, machine, parser

if TYPE_CHECKING:
    from kextract.teachers.black_box import BlackBox


@dataclass(frozen=True)
class Case:
    """What a student is taught with: inversion of a teacher of its own architecture, or answers."""

    name: str
    size: int
    """What the time is drawn against."""
    side: int = 32
    classes: int = 10
    updates: int = 10
    batch_size: int = 16
    questions: int = 0
    """To a black box that costs nothing; timed is all before the first update."""


SERIES: Mapping[str, tuple[Case, ...]] = {
    "updates": tuple(
        Case("resnet11@0.25", count, side=28, updates=count, batch_size=64)
        for count in (100, 400, 1600)
    ),
    "pixels": tuple(
        Case("resnet11@0.25", side**2, side=side) for side in (32, 64, 96, 160, 224, 320)
    ),
    "classes": tuple(Case("resnet11@0.25", count, classes=count) for count in (2, 10, 100, 1000)),
    "questions": tuple(
        Case("lenet5", count, questions=count) for count in (20, 200, 2_000, 20_000, 200_000)
    ),
}


def measure(case: Case, threads: int | None, clock: str) -> tuple[float, float]:
    """Return the seconds, and the highest memory in MB."""
    from kextract import runtime

    runtime.limit_threads(threads)
    runtime.start()
    seconds = (_asking if case.questions else _updating)(case, CLOCKS[clock])
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _updating(case: Case, clock: Callable[[], float]) -> float:
    """Time the updates by inversion, after the first round."""
    from kextract.config import DistillConfig
    from kextract.config.training import InversionConfig
    from kextract.methods.base import MethodContext
    from kextract.methods.inversion import Inversion
    from kextract.models.architectures import build_model, fastest_precision
    from kextract.models.batch_norm import frozen
    from kextract.records import Progress
    from kextract.training.student import distill

    shape = (case.side, case.side, 3)
    precision = fastest_precision("auto", case.name)
    teacher, student = (
        build_model(case.name, shape, case.classes, precision=precision, seed=seed)
        for seed in (1, 2)
    )
    rules = InversionConfig(
        warm_up=1,
        round_updates=10,
        generator_steps=1,
        synthesis_batch_size=case.batch_size,
        new_images=case.batch_size,
        first_images=case.batch_size,
        bank_size=1024,
    )
    config = DistillConfig(
        method="inversion",
        optimizer="muon",
        batch_size=case.batch_size,
        shift=2,
        flip=True,
        epochs=1,
        steps_per_epoch=case.updates + rules.round_updates,
        learning_rate=1e-3,
        precision=precision,
        inversion=rules,
    )
    context = MethodContext(frozen(teacher, batch_statistics=False), teacher, student, config)
    began = 0.0
    for event in distill(context.classifier, student, Inversion(context), config, None, None):
        if isinstance(event, Progress) and event.phase == "teaching":
            if event.done == rules.round_updates:
                began = clock()
            if event.done == event.total:
                return clock() - began
    raise AssertionError("a run ends with its last update")


def _asking(case: Case, clock: Callable[[], float]) -> float:
    """Time what comes before the first update that learns of a black box's answers."""
    from kextract.config import DistillConfig
    from kextract.config.training import QueryConfig
    from kextract.methods.base import MethodContext
    from kextract.methods.making import make_method
    from kextract.models.architectures import build_model
    from kextract.records import Progress
    from kextract.teachers.asking import BudgetedTeacher, RetryPolicy, heading_of
    from kextract.teachers.ledger import open_ledger
    from kextract.training.student import distill

    shape = (case.side, case.side, 3)
    student = build_model(case.name, shape, case.classes, seed=1)
    queries = QueryConfig(query_budget=case.questions)
    config = DistillConfig(method="queries", epochs=1, steps_per_epoch=1, queries=queries)
    teacher = _by_colour(shape, case.classes)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_ledger(Path(folder) / "ledger.db", heading_of(teacher), case.questions) as ledger,
    ):
        asking = BudgetedTeacher(teacher, ledger, RetryPolicy(case.questions))
        source = make_method(MethodContext(None, None, student, config, {}, asking))
        began = clock()
        for event in distill(None, student, source, config, None, None):
            if isinstance(event, Progress) and event.phase == "teaching":
                return clock() - began
    raise AssertionError("a run ends with its last update")


def _by_colour(shape: tuple[int, int, int], classes: int) -> "BlackBox":
    from kextract.teachers.black_box import Function

    kernel = np.random.default_rng(0).normal(0, 9, (shape[-1], classes)).astype(np.float32)

    def ask(images: np.ndarray) -> np.ndarray:
        mean = images.mean(axis=(1, 2), dtype=np.float32)
        return np.asarray((mean / 127.5 - 1) @ kernel)

    return Function("by colour", "logits", shape, classes, ask)


def main() -> None:
    """Print a table for each series, and how the time grows."""
    reading = parser(__doc__)
    reading.add_argument("series", nargs="*", choices=[[], *SERIES], help="all by default")
    reading.add_argument("--largest", type=int, help="leave out what is larger")
    options: argparse.Namespace = reading.parse_args()
    print(machine(options.threads), end="\n\n")
    for series in options.series or SERIES:
        print(f"| student | images | {series} | s, {options.clock} | memory, MB |")
        print("| --- | --- | ---: | ---: | ---: |")
        cases = [case for case in SERIES[series] if case.size <= (options.largest or case.size)]
        found: list[float] = []
        for case in cases[: 1 if options.smallest else None]:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                done = pool.submit(measure, case, options.threads, options.clock)
                seconds, memory = done.result()
            found.append(seconds)
            images = f"{case.side}x{case.side}x3, {case.classes} classes"
            print(
                f"| {case.name} | {images} | {case.size:,} | {seconds:,.2f} | {memory:,.0f} |",
                flush=True,
            )
        if len(found) > 1:
            sizes = [case.size for case in cases]
            slope, _ = np.polyfit(np.log(sizes), np.log(found), 1)
            print(f"\ntime grows with the {slope:.2f}th power of {series}", end="\n\n")


if __name__ == "__main__":
    main()
