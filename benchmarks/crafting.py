"""Adversarial noise is crafted several times as fast as by an eager loop, as in 2020.

uv run python -m benchmarks.crafting [--rounds N] [--threads N] [--clock wall|processor]

All craft eight batches of 32 images, 32x32x3, for ten steps each against a resnet11.
"""

import numpy as np

from benchmarks.timing import Timed, begin, compare
from kextract import runtime

SHAPE = (32, 32, 3)
BATCHES, BATCH, STEPS = 8, 32, 10


def crafting(precision: str, *, together: int, compiled: bool = True) -> Timed:
    """Craft all batches, so many at once; compiled as the command does, from a folded teacher."""
    import tensorflow as tf

    from kextract.methods.noise import Crafter, CraftingRules, clipped_noise
    from kextract.models.architectures import build_model
    from kextract.models.batch_norm import frozen
    from kextract.models.cloning import folded

    network = build_model("resnet11", SHAPE, 10, precision=precision)
    teacher = frozen(folded(network) if compiled else network, batch_statistics=False)
    # No step lowers a loss by less than this, so that all are made.
    craft = Crafter(teacher, CraftingRules(1e-2, STEPS, -1e9), BATCH)
    noise = tf.constant(clipped_noise(np.random.default_rng(0), (BATCH * together, *SHAPE)))
    classes = tf.range(BATCH * together) % 10

    def run() -> None:
        tf.config.run_functions_eagerly(not compiled)
        for _ in range(BATCHES // together):
            craft(noise, classes, tf.constant(0))
        tf.config.run_functions_eagerly(False)

    return run


def main() -> None:
    """Print the table."""
    options = begin(__doc__, rounds=3)
    native = runtime.resolve_precision("auto")
    contenders = {
        "eager, one batch at once, float32": crafting("float32", together=1, compiled=False),
        f"eager, one, {native}": crafting(native, together=1, compiled=False),
        f"compiled, one, {native}": crafting(native, together=1),
        f"compiled, four, {native}": crafting(native, together=4),
        f"compiled, eight, {native}": crafting(native, together=8),
    }
    compare("80 crafting steps of 32 images, 32x32x3", contenders, options)


if __name__ == "__main__":
    main()
