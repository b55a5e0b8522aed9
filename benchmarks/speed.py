"""How fast training and noise crafting are, beside the plain way to do the same.

uv run python benchmarks/speed.py [ROUNDS]

Everything is timed in turn, round after round, in one process; the ratio is of the medians.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from unittest.mock import patch

import numpy as np

from kextract import runtime

BATCH = 128
STEPS = 8
SHAPE = (32, 32, 3)

Timed = Callable[[], None]


def timings(contenders: dict[str, Timed], images: int, rounds: int) -> None:
    """Print images/s of each contender and its ratio to the first."""
    for run in contenders.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            rates[name].append(images / (time.perf_counter() - began))
    first = median(next(iter(rates.values())))
    for name, found in rates.items():
        print(f"| {name} | {median(found):,.0f} | {median(found) / first:.2f} |")


def training(*, fused: bool, fit: bool, precision: str) -> Timed:
    """Make the training of `STEPS` batches of a resnet11, by Keras's `fit` or by our own step."""
    import keras

    from kextract.config import TeacherConfig
    from kextract.datasets.images import Images
    from kextract.datasets.pixels import scale
    from kextract.models.batch_norm import BatchNormalization
    from kextract.models.build import build_model
    from kextract.training.teacher import compile_update

    layer = BatchNormalization if fused else keras.layers.BatchNormalization
    with patch("kextract.models.resnet.BatchNormalization", layer):
        model = build_model("resnet11", SHAPE, 10, precision=precision)
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (BATCH * STEPS, *SHAPE)).astype(np.uint8)
    y = generator.integers(0, 10, BATCH * STEPS)
    if fit:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss)
        scaled = scale(x)
        return lambda: model.fit(scaled, y, batch_size=BATCH, epochs=1, verbose=0)

    update = compile_update(model, Images(x, y), TeacherConfig(), STEPS, flip=False)
    order = np.arange(BATCH * STEPS, dtype=np.int32).reshape(STEPS, BATCH)

    def run() -> None:
        for step, indices in enumerate(order):
            float(update(indices, np.array([0, step], np.int32)))

    return run


def crafting(*, together: int, compiled: bool = True, batches: int = 8, steps: int = 10) -> Timed:
    """Make the crafting of eight batches of 32, so many at once, with ten steps for each."""
    import tensorflow as tf

    from kextract.models.build import build_model
    from kextract.models.frozen import frozen
    from kextract.transfer.crafting import Crafter, CraftingRules
    from kextract.transfer.noise import clipped_noise

    precision = runtime.resolve_precision("auto")
    teacher = frozen(
        build_model("resnet11", SHAPE, 10, precision=precision), batch_statistics=False
    )
    craft = Crafter(teacher, CraftingRules(1e-2, steps, 0.0), 32)
    noise = tf.constant(clipped_noise(np.random.default_rng(0), (32 * together, *SHAPE)))
    classes = tf.range(32 * together) % 10

    def run() -> None:
        tf.config.run_functions_eagerly(not compiled)
        for _ in range(batches // together):
            craft(noise, classes, tf.constant(0))
        tf.config.run_functions_eagerly(False)

    return run


def main() -> None:
    """Print both tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    runtime.start()
    print(
        "| training step, resnet11, 32x32x3, batch 128 | images/s | ratio |\n| --- | ---: | ---: |"
    )
    timings(
        {
            "Keras `fit`": training(fused=False, fit=True, precision="float32"),
            "compiled step": training(fused=False, fit=False, precision="float32"),
            "and fused normalization": training(fused=True, fit=False, precision="float32"),
            "and bfloat16": training(fused=True, fit=False, precision="bfloat16"),
        },
        BATCH * STEPS,
        rounds,
    )
    print("\n| noise crafting, batches of 32 | images x steps/s | ratio |\n| --- | ---: | ---: |")
    timings(
        {
            "eager, one batch at once": crafting(together=1, compiled=False),
            "compiled, one": crafting(together=1),
            "compiled, four": crafting(together=4),
            "compiled, eight": crafting(together=8),
        },
        8 * 32 * 10,
        rounds,
    )


if __name__ == "__main__":
    main()
