"""Time is linear in updates and memory does not grow; large images and many classes work.

uv run python -m benchmarks.scaling [--threads N] [--clock wall|processor]

Each row is a process of its own, so that its highest memory is its own too.
"""

import argparse
import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.timing import CLOCKS, machine, parser


@dataclass(frozen=True)
class Case:
    """What a student is taught with: inversion of a teacher of its own architecture."""

    name: str
    side: int
    classes: int
    updates: int
    batch_size: int


def cases() -> Iterator[Case]:
    """List ever longer runs, ever larger images, and a thousand classes."""
    for updates in (100, 400, 1600):
        yield Case("resnet11@0.25", 28, 10, updates, 64)
    for side in (32, 96, 224):
        yield Case("resnet11", side, 10, 10, 16)
    yield Case("resnet11", 96, 1000, 10, 16)


def measure(case: Case, threads: int | None, clock: str) -> tuple[float, float]:
    """Return the seconds of the updates, after the first round, and the highest memory in MB."""
    from kextract import runtime

    runtime.limit_threads(threads)
    runtime.start()
    from kextract.config import DistillConfig
    from kextract.config.training import InversionConfig
    from kextract.methods.base import MethodContext
    from kextract.methods.inversion import Inversion
    from kextract.models.batch_norm import frozen
    from kextract.models.build import build_model, fastest_precision
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
                began = CLOCKS[clock]()
            if event.done == event.total:
                seconds = CLOCKS[clock]() - began
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    options: argparse.Namespace = parser(__doc__).parse_args()
    print(machine(options.threads), end="\n\n")
    print(f"| student | images | classes | updates | ms an update, {options.clock} | memory, MB |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for case in [next(cases())] if options.smallest else cases():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(measure, case, options.threads, options.clock).result()
        seconds, memory = found
        images = f"{case.batch_size} of {case.side}x{case.side}x3"
        print(
            f"| {case.name} | {images} | {case.classes} | {case.updates} |"
            f" {1000 * seconds / case.updates:,.1f} | {memory:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
