"""A teacher's training step is several times as fast as Keras's `fit`.

uv run python -m benchmarks.training [--rounds N] [--threads N] [--clock wall|processor]
uv run --with torch python -m benchmarks.training --pytorch python

All train a resnet11 on eight batches of 128 images, 32x32x3. The last of ours is the whole loop
with its live display, the one before it the step alone. PyTorch trains the same network in a
process of its own, by the Python that is named.
"""

import argparse
import io
import subprocess
from unittest.mock import patch

import numpy as np

from benchmarks.timing import CLOCKS, Elsewhere, Timed, begin, compare, parser
from kextract import runtime

BATCH = 128
STEPS = 8
SHAPE = (32, 32, 3)


def images() -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images and their classes."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (BATCH * STEPS, *SHAPE)).astype(np.uint8)
    return pixels, random.integers(0, 10, BATCH * STEPS)


OURS = ("BatchNormalization", "ReLU", "Add")
"""Layers that are faster than Keras's of the same name."""


def network(precision: str, ours: tuple[str, ...] = OURS) -> "keras.Model":  # type: ignore[name-defined] # noqa: F821
    """Build a resnet11, of Keras's own layers but for those named."""
    import keras

    from kextract.models import blocks
    from kextract.models.architectures import build_model

    layers = {name: getattr(keras.layers if name not in ours else blocks, name) for name in OURS}
    with patch.multiple(blocks, **layers):
        return build_model("resnet11", SHAPE, 10, precision=precision)


def fit() -> Timed:
    """Train as most do."""
    import keras

    from kextract.datasets.images import scale

    model = network("float32", ours=())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    # It shuffles, and TensorFlow computes the same each time.
    keras.utils.set_random_seed(0)
    x, y = images()
    scaled = scale(x)
    return lambda: model.fit(scaled, y, batch_size=BATCH, epochs=1, verbose=0)


def step(precision: str, ours: tuple[str, ...] = OURS) -> Timed:
    """Train by our own step."""
    from kextract.config import TeacherConfig
    from kextract.datasets.images import Images
    from kextract.optimizers import make_optimizer
    from kextract.training.teacher import compile_update, learning_rate

    model, config = network(precision, ours), TeacherConfig()
    optimizer = make_optimizer("adam", model, learning_rate(config, STEPS))
    update = compile_update(model, Images(*images()), config, optimizer, flip=False)
    order = np.arange(BATCH * STEPS, dtype=np.int32).reshape(STEPS, BATCH)

    def run() -> None:
        for number, indices in enumerate(order):
            float(update(indices, np.array([0, number], np.int32)))

    return run


def loop(precision: str) -> Timed:
    """Train by the loop of `kextract train-teacher` with its live display, an epoch each time.

    The epoch ends with a validation, here of one image.
    """
    from kextract.config import TeacherConfig
    from kextract.datasets.images import Images
    from kextract.display import RunHeader
    from kextract.display.live import LiveDisplay
    from kextract.records import EpochRecord
    from kextract.training.teacher import train_teacher

    x, y = images()
    config = TeacherConfig(epochs=1000, patience=0, augment=False, batch_size=BATCH)
    validation = Images(x[:1], y[:1])
    events = train_teacher(network(precision), Images(x, y), validation, config, flip=False)
    header = RunHeader("teacher", "benchmark", 1000, ("epoch", "loss", "accuracy"), "none")

    def run() -> None:
        # Closed before the table is printed: a live display keeps stdout to itself.
        with LiveDisplay(io.StringIO(), io.StringIO()) as display:
            display.start(header)
            for event in events:
                display.show(event)
                if isinstance(event, EpochRecord) and event.epoch:
                    return

    return run


def products() -> Timed:
    """Multiply bfloat16 matrices, as many operations as the training steps: the machine's peak.

    A step is three forward passes of 34.5 million multiply-adds an image.
    """
    import tensorflow as tf

    random = np.random.default_rng(0).uniform(-1, 1, (2, 2064, 2064))
    one, other = (tf.constant(matrix, tf.bfloat16) for matrix in random)
    multiply = tf.function(tf.matmul)

    def run() -> None:
        for _ in range(12):
            multiply(one, other)[0, 0].numpy()

    return run


def pytorch(options: argparse.Namespace) -> Timed:
    """Train by PyTorch, as many threads and by the same clock."""
    threads = ["--threads", str(options.threads)] if options.threads else []
    process = subprocess.Popen(
        [options.pytorch, "-m", "benchmarks.pytorch_step", *threads],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None, "they were asked for"
    asked, answers = process.stdin, process.stdout
    print(f"PyTorch {answers.readline().strip()}", end="\n\n")

    def run() -> Elsewhere:
        print(file=asked, flush=True)
        found = dict(zip(CLOCKS, map(float, answers.readline().split()), strict=True))
        return Elsewhere(found[options.clock])

    return run


def main() -> None:
    """Print the table."""
    reading = parser(__doc__)
    reading.add_argument("--pytorch", metavar="PYTHON", help="a Python that has PyTorch")
    options = begin(__doc__, reading=reading)
    native = runtime.resolve_precision("auto")
    contenders = {
        "Keras `fit`, float32": fit(),
        "compiled step": step("float32", ours=()),
        "and fused normalization": step("float32", ours=OURS[:1]),
        f"and {native}": step(native, ours=OURS[:1]),
        "and gradients of ReLUs and sums": step(native),
        "the loop, with its display": loop(native),
        "as many operations in bfloat16 matrix products": products(),
    }
    if options.pytorch:
        contenders["PyTorch, channels last, bfloat16"] = pytorch(options)
    compare("eight training steps, resnet11, 32x32x3, batch 128", contenders, options)


if __name__ == "__main__":
    main()
