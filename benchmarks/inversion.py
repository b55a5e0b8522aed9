"""What a student's images cost that are synthesized from its teacher by a generator.

uv run python -m benchmarks.inversion [--rounds N] [--threads N] [--clock wall|processor]

The first table is a step of the generator, with the gradients of frozen batch normalizations and of
moments taken in several passes, as they come, and in one. The second is a round, as many updates as
there are between two trainings of the generator, beside the same updates from stored images.
"""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf

from benchmarks.timing import Timed, begin, compare
from kextract.config import DistillConfig
from kextract.config.training import InversionConfig
from kextract.methods.base import MethodContext
from kextract.methods.generator import Synthesizer
from kextract.methods.inversion import Inversion
from kextract.methods.stored import StoredImages
from kextract.models import batch_norm
from kextract.models.architectures import build_model, fastest_precision
from kextract.models.batch_norm import frozen
from kextract.models.cloning import folded
from kextract.records import Progress
from kextract.training.student import distill

Shape = tuple[int, int, int]
DIGITS = InversionConfig()
PHOTOS = InversionConfig(
    class_weight=0.0,
    batch_norm_weight=2.0,
    adversarial_weight=0.25,
    adversarial_after=0,
    adversarial_share=0.125,
    generator_channels=32,
    generator_steps=3,
    new_images=384,
)
"""The defaults, and those of the preset `photos` that take time."""
SETTINGS: tuple[tuple[str, Shape, InversionConfig], ...] = (
    ("digits, 28x28x1", (28, 28, 1), DIGITS),
    ("photos, 32x32x3", (32, 32, 3), PHOTOS),
)


def context(shape: Shape, rules: InversionConfig) -> MethodContext:
    """Make a teacher and a student of the architecture resnet11."""
    precision = fastest_precision("auto", "resnet11")
    teacher, student = (
        build_model("resnet11", shape, 10, precision=precision, seed=seed) for seed in (1, 2)
    )
    config = DistillConfig(
        method="inversion",
        optimizer="muon",
        batch_size=64,
        shift=2,
        flip=True,
        epochs=1,
        steps_per_epoch=10**6,
        learning_rate=1e-3,
        precision=precision,
        inversion=rules,
    )
    classifier = frozen(folded(teacher), batch_statistics=False)
    return MethodContext(classifier, teacher, student, config)


def step(shape: Shape, rules: InversionConfig) -> Timed:
    """Make one step of the generator."""
    synthesizer = Synthesizer(context(shape, rules))
    # Traced while what is patched for it still is.
    synthesizer.learn(rules.adversarial_weight)
    return lambda: synthesizer.learn(rules.adversarial_weight)


def step_of_several_passes(shape: Shape, rules: InversionConfig) -> Timed:
    """Make one step, its gradients as TensorFlow takes them by itself."""

    def normalized(features: tf.Tensor, parameters: Any, epsilon: float) -> tf.Tensor:
        return batch_norm._fused(features, parameters, epsilon, training=False)[0]

    def affine(features: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        return features * tf.cast(scale, features.dtype) + tf.cast(offset, features.dtype)

    def leaky(slope: float, dtype: str) -> keras.Layer:
        return own(slope)

    own = keras.layers.LeakyReLU
    with (
        patch.object(batch_norm, "_normalized", normalized),
        patch.object(batch_norm, "_affine", affine),
        patch.object(keras.layers, "LeakyReLU", leaky),
    ):
        return step(shape, rules)


def round_of(context: MethodContext, source: Any) -> Timed:
    """Make a round of updates of the student."""
    assert context.student is not None
    events = distill(context.classifier, context.student, source, context.config, None, None)

    def run() -> None:
        for event in events:
            if not isinstance(event, Progress) or event.phase != "teaching":
                continue
            if event.done % context.config.inversion.round_updates == 0:
                return

    return run


def rounds(shape: Shape, rules: InversionConfig) -> dict[str, Timed]:
    """Make a round from stored images, and one with the generator in it."""
    plain, drawing = context(shape, rules), context(shape, rules)
    random = np.random.default_rng(0)
    stored = random.integers(0, 256, (4096, *shape)).astype(np.uint8)
    plain = replace(plain, images={plain.config.method: stored})
    return {
        "from stored images": round_of(plain, StoredImages(plain)),
        "by inversion": round_of(drawing, Inversion(drawing)),
    }


def main() -> None:
    """Print the tables."""
    options = begin(__doc__)
    for name, shape, rules in SETTINGS:
        contenders = {
            "in several passes": step_of_several_passes(shape, rules),
            "in one pass": step(shape, rules),
        }
        compare(f"a generator's step, {name}", contenders, options, repeats=2)
    for name, shape, rules in SETTINGS:
        compare(f"{rules.round_updates} updates, {name}", rounds(shape, rules), options)


if __name__ == "__main__":
    main()
