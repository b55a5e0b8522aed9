"""A student's update is the network's own arithmetic and little else.

uv run python -m benchmarks.students [--rounds N] [--threads N] [--clock wall|processor]

The first table takes an update apart; the second says what the loop around it costs, beside the
same updates in one compiled loop that never comes back to Python.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.timing import Timed, begin, compare
from kextract.config import DistillConfig
from kextract.methods.base import Batch, MethodContext
from kextract.methods.stored import StoredImages, sample
from kextract.models.architectures import build_model, fastest_precision
from kextract.models.batch_norm import frozen
from kextract.models.cloning import folded
from kextract.optimizers import make_optimizer
from kextract.records import Progress
from kextract.training.student import _compile_update as compile_update
from kextract.training.student import distill

RATE = 1e-3
UPDATES = 20


class Student:
    """A student, its teacher of the same architecture, and images to learn from."""

    def __init__(self, name: str, shape: tuple[int, int, int], optimizer: str = "muon") -> None:
        precision = fastest_precision("auto", name)
        teacher = build_model(name, shape, 10, precision=precision, seed=1)
        self.model = build_model(name, shape, 10, precision=precision, seed=2)
        self.teacher = frozen(folded(teacher), batch_statistics=False)
        self.config = DistillConfig(
            method="real",
            optimizer=optimizer,
            learning_rate=RATE,
            batch_size=64,
            shift=2,
            flip=True,
            epochs=1,
            steps_per_epoch=10**6,
        )
        random = np.random.default_rng(0)
        self.images = random.integers(0, 256, (4096, *shape)).astype(np.uint8)

    def update(self, *, asking: bool = True) -> Timed:
        """Make one update, with or without asking the teacher."""
        update, batch = self._compiled(asking=asking)
        return lambda: float(update(batch)[0])

    def updates_in_one_loop(self) -> Timed:
        """Make a number of updates of the same images in one call."""
        update, batch = self._compiled(asking=True)

        @tf.function(jit_compile=False)
        def many(count: tf.Tensor) -> tf.Tensor:
            total = tf.zeros(())
            for _ in tf.range(count):
                total += update(batch)[0]
            return total

        return lambda: float(many(tf.constant(UPDATES)))

    def loop(self) -> Timed:
        """Make a number of updates as `kextract distill` does, from drawing a batch to progress."""
        given = {self.config.method: self.images}
        source = StoredImages(MethodContext(None, None, self.model, self.config, given))
        events = distill(self.teacher, self.model, source, self.config, None, None)
        made = (event for event in events if isinstance(event, Progress))

        def run() -> None:
            for _ in range(UPDATES):
                next(made)

        return run

    def forward(self) -> Timed:
        """Ask the teacher."""
        ask = tf.function(self.teacher, jit_compile=False)
        images = self._batch()
        return lambda: ask(images).numpy()

    def drawing(self) -> Timed:
        """Draw a batch of stored images, shift and mirror it."""
        return self._batch

    def _batch(self) -> tf.Tensor:
        return sample(self.images, self.config, 1, 0)

    def _compiled(self, *, asking: bool) -> tuple[Callable[[Batch], Any], Batch]:
        optimizer = make_optimizer(self.config.optimizer, self.model, RATE)
        update = compile_update(self.teacher, self.model, self.config, optimizer)
        images = self._batch()
        batch = Batch(images, None if asking else self.teacher(images))
        update(batch)
        return update, batch


def parts(shape: tuple[int, int, int]) -> dict[str, Timed]:
    """Take an update of a resnet11 apart."""
    student = Student("resnet11", shape)
    return {
        "an update": student.update(),
        "with Adam": Student("resnet11", shape, "adam").update(),
        "without asking the teacher": student.update(asking=False),
        "asking the teacher alone": student.forward(),
        "drawing the batch alone": student.drawing(),
    }


def main() -> None:
    """Print the tables."""
    options = begin(__doc__)
    for shape in ((28, 28, 1), (32, 32, 3)):
        size = "x".join(map(str, shape))
        compare(f"update of a resnet11, {size}, batch 64", parts(shape), options, repeats=5)
    for name, shape in (("resnet11", (28, 28, 1)), ("tiny", (28, 28, 1)), ("lenet5", (28, 28, 1))):
        size = "x".join(map(str, shape))
        contenders = {
            "the loop of `kextract distill`": Student(name, shape).loop(),
            "in one compiled loop, on the same batch": Student(name, shape).updates_in_one_loop(),
        }
        compare(f"{UPDATES} updates of a {name}, {size}", contenders, options)


if __name__ == "__main__":
    main()
