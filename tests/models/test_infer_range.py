"""The usual ranges of pixels are told apart by what a network was given, or has seen."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from kextract.models.infer_range import guess_input_range
from kextract.models.input_range import NAMED
from kextract.models.made_up_images import photographs as made_up_photographs

L = keras.layers


def photographs() -> Any:
    """Patches of flat colour with a little light from one side, uint8 (n, 32, 32, 3)."""
    generator = np.random.default_rng(7)
    grey = generator.normal(118, 55, (64, 6, 6, 1)) + generator.normal(0, 20, (64, 6, 6, 3))
    patches = grey.repeat(6, axis=1).repeat(6, axis=2)[:, :32, :32]
    light = generator.normal(0, 30, (64, 1, 1, 1)) * np.linspace(-1, 1, 32)[None, :, None, None]
    return np.clip(patches + light + generator.normal(0, 5, patches.shape), 0, 255)


def conv_then_normalize(x: Any) -> Any:
    return L.BatchNormalization(momentum=0.0)(L.Conv2D(8, 3, use_bias=False)(x))


def relu_then_normalize(x: Any) -> Any:
    return L.BatchNormalization(momentum=0.0)(L.Conv2D(8, 5, strides=2, activation="relu")(x))


def normalize_first(x: Any) -> Any:
    return L.BatchNormalization(momentum=0.0)(x)


def that_has_seen(images: Any, first: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(3)
    image = keras.Input(images.shape[1:])
    network = keras.Model(image, L.Dense(3)(L.GlobalAveragePooling2D()(first(image))))
    network(images.astype(np.float32), training=True)
    return network


@pytest.mark.parametrize(
    ("name", "first"),
    [
        *((name, conv_then_normalize) for name in ("-1..1", "imagenet", "caffe")),
        ("0..255", relu_then_normalize),
        ("0..1", normalize_first),
    ],
)
def test_statistics_of_photographs_tell_their_range(name: str, first: Callable[[Any], Any]) -> None:
    images = NAMED[name].apply(photographs() / 127.5 - 1)
    guess = guess_input_range(that_has_seen(images, first), (32, 32, 3))
    assert guess.preprocessing == NAMED[name]


def test_a_range_that_fits_nearly_as_well_is_named() -> None:
    images = made_up_photographs(64, (32, 32, 1), seed=5) * 1.4 - 0.45
    guess = guess_input_range(that_has_seen(images, conv_then_normalize), (32, 32, 1))
    assert not guess.confident
    assert {guess.preprocessing, guess.rival} == {NAMED["-1..1"], NAMED["0..1"]}


def scaled(*layers: Any) -> Any:
    image = keras.Input((32, 32, 3))
    x = image
    for layer in layers:
        x = layer(x)
    return keras.Model(image, L.Dense(3)(L.Flatten()(L.Conv2D(2, 3)(x))))


def augmentation() -> Any:
    return keras.Sequential([keras.Input((32, 32, 3)), L.RandomFlip(), L.RandomZoom(0.1)])


def own_scaling() -> Any:
    return keras.Sequential([keras.Input((32, 32, 3)), L.Rescaling(1 / 255)])


SCALED: dict[str, tuple[Callable[[], Any], str]] = {
    "to -1..1": (lambda: scaled(L.Rescaling(1 / 127.5, offset=-1)), "0..255"),
    "from 0..1": (lambda: scaled(L.Rescaling(2.0, offset=-1)), "0..1"),
    "after augmentation": (lambda: scaled(augmentation(), L.Rescaling(1 / 255)), "0..255"),
    "inside": (lambda: scaled(own_scaling()), "0..255"),
    "moments": (lambda: scaled(L.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3)), "0..255"),
    "small moments": (lambda: scaled(L.Normalization(mean=0.48, variance=0.06)), "0..1"),
    "arithmetic": (lambda: scaled(lambda x: x / 127.5 - 1.0), "0..255"),
    "caffe": (lambda: scaled(keras.applications.resnet50.preprocess_input), "0..255"),
}


@pytest.mark.parametrize("name", sorted(SCALED))
def test_a_network_that_scales_pixels_itself_tells_its_range(name: str) -> None:
    build, expected = SCALED[name]
    guess = guess_input_range(build(), (32, 32, 3))
    assert guess.confident
    assert guess.preprocessing == NAMED[expected]


def test_an_untrained_normalization_tells_nothing() -> None:
    guess = guess_input_range(scaled(conv_then_normalize), (32, 32, 3))
    assert guess.preprocessing is None
    assert "never trained" in guess.reason
