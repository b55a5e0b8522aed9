"""A network of one's own is trained as one of logits, and the given one has learnt in the end."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from kextract.errors import RequestError
from kextract.records import Event, Note
from kextract.runs.loaded import OwnNetwork, own_network

L = keras.layers
SHAPE = (16, 16, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (5, *SHAPE)).astype(np.float32)


def network(*ends: Any) -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input(SHAPE)
    made = [end(L.Flatten()(x)) for end in ends]
    return keras.Model(x, made if len(made) > 1 else made[0])


def taken(where: Any) -> OwnNetwork:
    return own_network(where, "--student", SHAPE, 3, "float32")


def test_a_network_of_logits_is_trained_itself() -> None:
    given = network(L.Dense(3))
    assert taken(given).network is given


@pytest.mark.parametrize("stopped", [False, True])
def test_the_given_network_has_learnt_what_its_copy_has(stopped: bool) -> None:
    given = network(L.Dense(3, activation="softmax"))
    own = taken(given)

    def training() -> Iterator[Event]:
        own.network.trainable_variables[0].assign_add(np.ones((256, 3), np.float32) / 100)
        yield Note("a step")
        yield Note("another")

    events = own.following(training())
    if stopped:
        next(events)
        events.close()  # type: ignore[attr-defined]
    else:
        list(events)
    logits = own.network(IMAGES, training=False).numpy()
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(given(IMAGES), powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        ([L.Dense(4)], r"--student: the network takes .* and gives \(None, 4\)"),
        (
            [L.Dense(3, name="age"), L.Dense(2, name="sex")],
            r"--student: the network has 2 outputs, age \(3\), sex \(2\)",
        ),
    ],
)
def test_what_does_not_give_a_number_per_class_is_refused(ends: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        taken(network(*ends))
