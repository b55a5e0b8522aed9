"""Networks in memory are taken as files with them are read."""

from typing import Any

import keras
import numpy as np
import pytest

from kextract.foreign.keras.classifier import in_memory
from kextract.models.heads import SeveralOutputsError
from tests.common import softmax

L = keras.layers
SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (5, *SHAPE)).astype(np.float32)


class Doubled(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


def network(*end: Any) -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(SHAPE), L.Flatten(), *end])


@pytest.mark.parametrize(
    "end",
    [
        [L.Dense(3, activation="softmax")],
        [L.Dense(3), L.Softmax()],
        [L.Dense(3), L.Activation("softmax"), L.Dropout(0.5)],
        [Doubled(), L.Dense(3, activation="softmax")],
        [keras.Sequential([keras.Input((64,)), L.Dense(3), L.Softmax()])],
    ],
)
def test_a_softmax_in_memory_is_taken_off_and_the_given_network_keeps_it(end: Any) -> None:
    given = network(*end)
    expected = given(IMAGES).numpy()
    found = in_memory(given)
    assert found.head.outputs == "probabilities"
    assert found.head.taken_off
    logits = found.model(IMAGES, training=False).numpy()
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)
    assert logits.min() < -1e-3
    np.testing.assert_array_equal(given(IMAGES), expected)


def test_a_network_of_logits_is_used_as_it_is() -> None:
    given = network(L.Dense(3))
    found = in_memory(given)
    assert found.network is given and not found.head.taken_off
    np.testing.assert_allclose(found.model(IMAGES), given(IMAGES), atol=1e-6)


@pytest.mark.parametrize("named", [False, True])
def test_one_of_several_outputs_in_memory_is_chosen_by_its_name(named: bool) -> None:
    x = keras.Input(SHAPE)
    heads = {n: L.Dense(4, "softmax", name=n)(L.Flatten()(x)) for n in ("young", "happy")}
    given = keras.Model(x, heads if named else list(heads.values()))
    with pytest.raises(SeveralOutputsError, match=r"young \(4\), happy \(4\)"):
        in_memory(given)
    found = in_memory(given, output_name="happy")
    expected = given(IMAGES)["happy" if named else 1]
    np.testing.assert_allclose(softmax(found.model(IMAGES).numpy()), expected, atol=1e-6)
