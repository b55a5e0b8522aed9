"""Watching a run costs next to nothing.

uv run python -m benchmarks.display [--rounds N] [--threads N] [--clock wall|processor]

Epochs of `--method random` are run by the student's loop, with the live display writing to nowhere
and without any display. A lenet5 has the shortest updates there are, hence the most to show.
"""

import io
from collections.abc import Callable

import numpy as np

from benchmarks.timing import Timed, begin, compare

SHAPE = (28, 28, 1)
COLUMNS = ("epoch", "loss", "accuracy", "agreement", "train_loss", "seconds")


def epochs(name: str, count: int, *, live: bool) -> Timed:
    """Teach a student for `count` more epochs."""
    from kextract.config import DistillConfig
    from kextract.datasets.images import Images
    from kextract.display import RunHeader
    from kextract.display.live import LiveDisplay
    from kextract.methods.base import MethodContext
    from kextract.methods.noise import RandomNoise
    from kextract.models.architectures import build_model, fastest_precision
    from kextract.models.batch_norm import frozen
    from kextract.records import EpochRecord, Event
    from kextract.training.evaluation import Predictor
    from kextract.training.student import distill

    precision = fastest_precision("auto", name)
    teacher, student = (
        build_model(name, SHAPE, 10, precision=precision, seed=seed) for seed in (1, 2)
    )
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (200, *SHAPE)).astype(np.uint8)
    validation = Images(pixels, random.integers(0, 10, 200))
    config = DistillConfig(method="random", epochs=100_000)
    events = distill(
        frozen(teacher, batch_statistics=False),
        student,
        RandomNoise(MethodContext(None, teacher, student, config)),
        config,
        validation,
        Predictor(teacher).logits(pixels),
    )
    header = RunHeader("student", "benchmark", config.epochs, COLUMNS, "none")

    def advance(show: Callable[[Event], object]) -> None:
        for event in events:
            show(event)
            if isinstance(event, EpochRecord) and event.epoch and event.epoch % count == 0:
                return

    def run() -> None:
        if not live:
            return advance(lambda event: None)
        # Closed before the table is printed: a live display keeps stdout to itself.
        with LiveDisplay(io.StringIO(), io.StringIO()) as display:
            display.start(header)
            advance(display.show)

    return run


def main() -> None:
    """Print the tables."""
    options = begin(__doc__)
    for name, count in (("lenet5", 20), ("resnet11", 2)):
        contenders = {
            "quiet": epochs(name, count, live=False),
            "live": epochs(name, count, live=True),
        }
        compare(f"{count} epochs of 30 updates, {name}", contenders, options)


if __name__ == "__main__":
    main()
