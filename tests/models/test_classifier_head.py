"""The classifier of a network is found, and the features that it is given."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.models.adapter import adapt
from kextract.models.architectures import build_model
from kextract.models.classifier_head import ending_of, logits_and_features
from kextract.models.heads import LOGITS, Head
from kextract.models.input_range import Preprocessing

L = keras.layers
IMAGES: Any = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)).astype(np.float32)


def network(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((16, 16, 1)), *layers])


def averaged(channels: int = 6) -> Any:
    return network(L.Conv2D(channels, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(4))


def laid_out() -> Any:
    return network(
        L.Conv2D(6, 3, strides=2, activation="relu"), L.Flatten(), L.Dropout(0.5), L.Dense(4)
    )


def convolved() -> Any:
    return network(
        L.Conv2D(6, 3, strides=4, activation="relu"),
        L.Conv2D(4, 3, padding="same"),
        L.GlobalAveragePooling2D(),
    )


def of_one_place() -> Any:
    """A convolution over the whole map is a classifier, too."""
    return network(L.Conv2D(6, 3, strides=4, activation="relu"), L.Conv2D(4, 4), L.Flatten())


def somebody_elses() -> Any:
    """A network of another program, models inside models."""
    return adapt(averaged(), (16, 16, 1), head=LOGITS, input_range=Preprocessing(0, 255))


ENDS: dict[str, tuple[Callable[[], Any], str, tuple[int, ...]]] = {
    "averaged": (averaged, "mean", (14, 14, 6)),
    "laid out": (laid_out, "row", (7, 7, 6)),
    "convolved": (convolved, "map", (4, 4, 6)),
    "of one place": (of_one_place, "map", (4, 4, 6)),
    "inside": (somebody_elses, "mean", (14, 14, 6)),
    "dense": (lambda: network(L.Flatten(), L.Dense(8, activation="relu"), L.Dense(4)), "row", (8,)),
    "in half precision": (
        lambda: build_model("tiny", (16, 16, 1), 4, precision="bfloat16"),
        "mean",
        (4, 4, 64),
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_features_are_those_before_the_classifier(name: str) -> None:
    build, given, features = ENDS[name]
    ending = ending_of(build())
    assert ending is not None
    assert (ending.given, ending.features) == (given, features)
    assert ending.classifier.weights[-1].shape == (4,)


@pytest.mark.parametrize("build", [averaged, laid_out, convolved, of_one_place, somebody_elses])
def test_the_mean_of_the_maps_are_the_logits(build: Callable[[], Any]) -> None:
    model = build()
    ending = ending_of(model)
    assert ending is not None
    ending.classifier.bias.assign([1.0, -2.0, 0.5, 0.0])
    logits, features = logits_and_features(model, ending, tf.constant(IMAGES), training=False)
    maps = ending.maps(features)
    assert ending.places is not None
    assert maps.shape == (3, *ending.places, 4)
    np.testing.assert_allclose(np.mean(maps, axis=(1, 2)), logits, rtol=1e-4, atol=1e-5)


NOT_LINEAR: dict[str, Callable[[], Any]] = {
    "numbers of several places": lambda: network(L.Conv2D(1, 3, strides=7), L.Flatten()),
    "a softmax of its own": lambda: network(L.Flatten(), L.Dense(4), L.Softmax()),
    "one number for two classes": lambda: adapt(
        network(L.Flatten(), L.Dense(1)),
        (16, 16, 1),
        head=Head("sigmoids", taken_off=True),
        input_range=Preprocessing(-1, 1),
    ),
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_ends_in_something_else_has_no_such_end(name: str) -> None:
    assert ending_of(NOT_LINEAR[name]()) is None


def test_what_another_branch_makes_is_no_feature() -> None:
    images = keras.Input((16, 16, 1))
    features = L.Conv2D(6, 3, activation="relu")(images)
    gate = L.Dense(6, activation="sigmoid")(L.GlobalAveragePooling2D()(features))
    gated = L.Multiply()([L.GlobalAveragePooling2D()(features), gate])
    ending = ending_of(keras.Model(images, L.Dense(4)(gated)))
    assert ending is not None
    assert ending.features == (6,)
