from typing import Any

import keras
import numpy as np
import pytest

from kextract.errors import RequestError
from kextract.models.adapter import adapt
from kextract.models.build import build_model
from kextract.models.cloning import plain
from kextract.models.heads import Head
from kextract.models.input_range import Preprocessing
from kextract.models.statistics import batch_norm_layers, layers_within
from tests.models.examples import images, stirred


@pytest.mark.parametrize("name", ["wrn-16-1", "tiny"])
def test_the_copy_answers_as_the_model_does(name: str) -> None:
    model = stirred(build_model(name, (20, 16, 3), 5))
    seen = images(8, 20, 16, 3)
    expected = model(seen, training=False).numpy()
    found = plain(model)(seen, training=False).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_the_copy_keeps_the_names_of_layers_and_the_model_its_weights() -> None:
    model = build_model("tiny", (16, 16, 1), 3)
    before = model.get_weights()
    copy = plain(model)
    assert [layer.name for layer in copy.layers[1:]] == [layer.name for layer in model.layers[1:]]
    for variable in copy.variables:
        variable.assign(variable + 1)
    for value, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, now)


@pytest.mark.parametrize("classes", [1, 3])
def test_arithmetic_between_layers_is_copied(classes: int) -> None:
    """Probabilities become logits by bare operations, which take no options of layers."""
    activation = "softmax" if classes > 1 else "sigmoid"
    layers = [keras.layers.Flatten(), keras.layers.Dense(classes, activation=activation)]
    inner = stirred(keras.Sequential([keras.Input((4, 4, 1)), *layers]))
    model = adapt(inner, (4, 4, 1), head=Head("probabilities"), input_range=Preprocessing(0, 1))
    seen = images(8, 4, 4, 1)
    np.testing.assert_allclose(plain(model)(seen), model(seen), rtol=1e-5, atol=1e-6)


class OfItsOwn(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="mine")
        self.classifier = keras.layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.classifier(keras.ops.reshape(inputs, (-1, 16)))


class Doubled(keras.layers.Layer):
    def __init__(self, why: object) -> None:
        super().__init__(name="doubled")
        self.why = why

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def test_code_of_somebody_s_own_is_refused_by_name() -> None:
    pixels = keras.Input((4, 4, 1))
    inside = keras.Model(pixels, OfItsOwn()(pixels))
    with pytest.raises(RequestError, match=r"^the model 'mine' computes in code of its own"):
        plain(inside)
    with pytest.raises(RequestError, match=r"^the layer 'doubled' computes in code of its own"):
        plain(keras.Model(pixels, keras.layers.Flatten()(Doubled(object())(pixels))))


def test_a_model_with_a_model_inside_is_copied_all_the_way_down() -> None:
    inner = stirred(build_model("tiny", (16, 16, 1), 3))
    model = adapt(
        inner,
        (16, 16, 1),
        head=Head("probabilities", taken_off=True),
        input_range=Preprocessing(0, 255),
    )
    copy, seen = plain(model), images(8, 16, 16, 1)
    np.testing.assert_allclose(copy(seen), model(seen, training=False), rtol=1e-3, atol=1e-3)
    assert len(batch_norm_layers(copy)) == len(batch_norm_layers(model)) > 0
    assert all(type(layer).__module__.startswith("keras.") for layer in layers_within(copy))
