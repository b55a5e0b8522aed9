"""The end of a network: its classifier, and the features that the classifier takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kextract.models.statistics import layers_within, record_calls

Call = tuple[Any, tf.Tensor, tf.Tensor]
"""A layer, its input and its output."""
ARRANGING = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)
"""Layers that are linear and have no weights."""


@dataclass(frozen=True)
class ClassifierHead:
    """The last layers of a network, from its last features on."""

    classifier: keras.layers.Dense | keras.layers.Conv2D
    """The last layer that has weights; it has no activation."""
    arranging: tuple[keras.layers.Layer, ...]
    """The layers between the features and the classifier."""
    features: tuple[int, ...]
    """Shape of an image's features: (h, w, c), or (c,) for a vector."""
    given: str | None
    """How the classifier takes features (h, w, c): their `mean`, flattened into a `row`, or as a
    `map` where it is a convolution; None for anything else."""

    @property
    def places(self) -> tuple[int, int] | None:
        """Height and width of `maps`; None if there are no maps."""
        if self.given is None or len(self.features) != 3:
            return None
        shape = self.features
        if self.given == "map":
            _, *shape = self.classifier.compute_output_shape((1, *self.features))
        height, width, _ = shape
        return height, width

    def has_features_of(self, other: "ClassifierHead") -> bool:
        """Tell whether either classifier could replace the other."""
        mine, others = (
            (
                type(ending.classifier),
                [tuple(weight.shape) for weight in ending.classifier.weights],
                ending.features,
                ending.given,
                ending.places,
            )
            for ending in (self, other)
        )
        return self.given is not None and mine == others

    def places_with(self, other: "ClassifierHead") -> tuple[int, int] | None:
        """Return height and width of the smaller of two maps, if the larger can be averaged to it.

        None also if one of the networks has no map, or one of a single position.
        """
        if self.places is None or other.places is None:
            return None
        (height, width), (more_height, more_width) = sorted((self.places, other.places))
        fits = more_height % height == 0 and more_width % width == 0
        return (height, width) if fits and height * width > 1 else None

    def maps(self, features: tf.Tensor) -> tf.Tensor:
        """Turn features (n, h, w, c) into logits at every position, (n, h, w, k), float32.

        Their mean over all positions is the network's logits. Source: Zhou et al. 2016, "Learning
        deep features for discriminative localization", equation 2, there for one class.
        """
        if self.given == "map":
            return tf.cast(self.classifier(features), tf.float32)
        kernel = tf.convert_to_tensor(self.classifier.kernel)
        if self.given == "row":
            height, width, channels = self.features
            kernel = height * width * tf.reshape(kernel, (height, width, channels, -1))
            maps = tf.einsum("nhwc,hwck->nhwk", features, kernel)
        else:
            maps = tf.einsum("nhwc,ck->nhwk", features, kernel)
        return maps + self.classifier.bias if self.classifier.use_bias else maps


def ending_of(model: keras.Model) -> ClassifierHead | None:
    """Find the head of a network of images; None if it does not end in a linear classifier.

    Applies the network to one grey image.
    """
    calls: list[Call] = []
    with record_calls(layers_within(model), lambda *call: calls.append(call)):
        passed = model(tf.zeros((1, *model.input_shape[1:])), training=False)
    classes = passed.shape[-1]
    classifier, arranging = None, list[keras.layers.Layer]()
    for layer, given, made in reversed(calls):
        # A layer of another branch is not part of the head.
        if not _are_equal(made, passed):
            break
        if isinstance(layer, ARRANGING):
            arranging.insert(0, layer)
        elif classifier is None and _is_linear_classifier(layer) and made.shape[-1] == classes:
            classifier, arranging = layer, []
        elif not _is_linear_activation(layer):
            break
        passed = given
    if classifier is None:
        return None
    features = tuple(passed.shape[1:])
    return ClassifierHead(
        classifier, tuple(arranging), features, _given(classifier, arranging, features)
    )


def logits_and_features(
    model: keras.Model, ending: ClassifierHead, images: tf.Tensor, *, training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply a network to images (n, h, w, c); works inside `tf.function` too.

    Returns the logits (n, k) and the features (n, ...) before the head, float32.
    """
    seen: list[tf.Tensor] = []
    first = (*ending.arranging, ending.classifier)[0]
    with record_calls([first], lambda _, given, __: seen.append(given)):
        logits = model(images, training=training)
    return logits, tf.cast(seen[-1], tf.float32)


def averaged(maps: tf.Tensor, places: tuple[int, int]) -> tf.Tensor:
    """Average maps (n, h, w, k) to fewer positions; their mean does not change."""
    size = [of // into for of, into in zip(maps.shape[1:3], places, strict=True)]
    return maps if size == [1, 1] else tf.nn.avg_pool2d(maps, size, size, "VALID")


def _given(
    classifier: keras.layers.Layer, arranging: Sequence[keras.layers.Layer], shape: tuple[int, ...]
) -> str | None:
    """Find how the classifier takes its features, see `ClassifierHead.given`."""
    if isinstance(classifier, keras.layers.Conv2D):
        return None if arranging else "map"
    probe = np.random.default_rng(0).uniform(1, 2, (1, *shape)).astype(np.float32)
    arranged = tf.constant(probe)
    for layer in arranging:
        arranged = layer(arranged)
    if _are_equal(arranged, probe.reshape(1, -1)):
        return "row"
    if len(shape) == 3 and _are_equal(arranged, probe.mean(axis=(1, 2))):
        return "mean"
    return None


def _are_equal(one: Any, other: Any) -> bool:
    """Compare values of any precision."""
    if one.shape != other.shape:
        return False
    return bool(np.allclose(tf.cast(one, tf.float32), tf.cast(other, tf.float32), rtol=1e-2))


def _is_linear_classifier(layer: keras.layers.Layer) -> bool:
    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    return isinstance(layer, kinds) and layer.activation is keras.activations.linear


def _is_linear_activation(layer: keras.layers.Layer) -> bool:
    linear = keras.activations.linear
    return isinstance(layer, keras.layers.Activation) and layer.activation is linear
