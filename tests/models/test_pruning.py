"""A smaller copy of a network, which has only some of its channels."""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import RequestError
from kextract.models.batch_norm import BatchNormalization
from kextract.models.channels import Channels, Use, rebuilt
from kextract.models.cost import cost_of
from kextract.models.pruning import Reconstruction, measure_gains, pruned
from kextract.models.statistics import layers_within
from tests.models.examples import images, stirred

layers = keras.layers
SHAPE = (12, 12, 3)


def of(*stack: Any, shape: tuple[int, ...] = SHAPE) -> keras.Model:
    return stirred(keras.Sequential([keras.Input(shape), *stack]))


def sizes(network: keras.Model) -> dict[str, int]:
    """Say how many channels every kernel makes."""
    return {
        layer.name: int(layer.units if isinstance(layer, layers.Dense) else layer.filters)
        for layer in layers_within(network)
        if isinstance(layer, (layers.Conv2D, layers.Dense, layers.SeparableConv2D))
    }


def second_half_like_the_first(layer: Any, channels: int = 16) -> None:
    """Let a layer treat channels of its output, or input where they stay apart, in pairs alike."""
    for weight in layer.weights:
        values = weight.numpy()
        axis = 2 if values.ndim == 4 and values.shape[2] == channels else -1
        if values.shape[axis] % channels == 0:
            apart = np.moveaxis(values, axis, 0)
            tiles = apart.reshape(-1, channels, *apart.shape[1:])
            tiles[:, channels // 2 :] = tiles[:, : channels // 2]
            weight.assign(np.moveaxis(tiles.reshape(apart.shape), 0, axis))


@pytest.mark.parametrize(
    "after",
    [
        [layers.Conv2D(6, 3, padding="same")],
        [layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), layers.Conv2D(6, 1)],
        [layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(6, 1)],
        [layers.PReLU(shared_axes=[1, 2]), layers.MaxPooling2D(), layers.Conv2D(6, 1)],
        [layers.Reshape((144, 16)), layers.Dense(6)],
        [layers.Flatten(), layers.PReLU(), layers.Dense(6)],
    ],
    ids=lambda after: "-".join(type(layer).__name__ for layer in after),
)
def test_copies_of_a_channel_go_without_loss(after: list[Any]) -> None:
    first = layers.Conv2D(16, 3, padding="same", activation="relu", name="first")
    network = of(first, *after, layers.Flatten(), layers.Dense(4))
    for layer in (first, *after):
        if not isinstance(layer, (layers.Dense, layers.Conv2D)) or layer is first:
            second_half_like_the_first(layer)
    copy, seen = pruned(network, 0.55, images(40, *SHAPE)), images(8, *SHAPE)
    assert sizes(copy)["first"] == 8
    np.testing.assert_allclose(copy(seen), network(seen), rtol=2e-2, atol=2e-2)


def test_a_channel_that_says_nothing_goes_first_and_what_is_constant_becomes_a_bias() -> None:
    first = layers.Dense(10, activation="relu", name="first")
    network = of(first, layers.Dense(7, name="second"), layers.Dense(3), shape=(5,))
    kernel, bias = first.get_weights()
    kernel[:, 4], bias[4] = 0, -1
    kernel[:, 7], bias[7] = 0, 2
    first.set_weights([kernel, bias])
    total = 5 * 10 + 10 * 7 + 7 * 3
    copy, seen = pruned(network, 1 - 24 / total, images(200, 5)), images(8, 5)
    assert sizes(copy)["first"] == 8
    np.testing.assert_allclose(copy(seen), network(seen), rtol=1e-2, atol=1e-2)


def test_the_one_that_the_others_can_replace_best_goes() -> None:
    """By a plain least squares for every channel left out."""
    network = of(layers.Dense(6, name="first"), layers.Dense(50, name="second"),
                 layers.Dense(2), shape=(9,))  # fmt: skip
    seen = images(300, 9)
    hidden = network.layers[0](seen).numpy()
    hidden = hidden - hidden.mean(axis=0)
    outputs = hidden @ network.layers[1].kernel.numpy()
    lost = []
    for channel in range(6):
        others = np.delete(hidden, channel, axis=1)
        lost.append(np.linalg.lstsq(others, outputs)[1].sum())
    first = pruned(network, 1 - 1 / (9 * 6 + 6 * 50 + 50 * 2), seen).layers[1]
    gone = [
        channel
        for channel, column in enumerate(network.layers[0].kernel.numpy().T)
        if not any(np.allclose(column, other, atol=1e-3) for other in first.kernel.numpy().T)
    ]
    assert first.units == 5
    assert gone == [int(np.argmin(lost))]


def test_fewer_images_than_channels_do_not_make_channels_replaceable() -> None:
    """Of independent channels none can do what another does: what all cost adds up to 1."""
    layer = layers.Dense(4, use_bias=False)
    layer.build((None, 300))
    found = Reconstruction(Use(layer, np.arange(300), np.arange(300, 304), mixes=True))
    found.look(tf.constant(np.random.default_rng(0).normal(size=(40, 300)).astype(np.float32)))
    found.begin()
    assert 0.5 < found.prices().sum() < 2


def test_an_error_counts_by_what_becomes_of_it() -> None:
    """Of two branches that are added up with weights of 1 and 3, the second moves the sum more."""
    inputs = keras.Input((6,))
    made = [layers.Dense(8, name=name)(inputs) for name in ("weak", "strong")]
    weak, strong = (layers.Dense(4, use_bias=False)(each) for each in made)
    network = stirred(keras.Model(inputs, layers.add([weak, strong])))
    for layer in network.layers[-3:-1]:
        layer.set_weights(
            [np.eye(8, 4, dtype=np.float32) * (3 if layer is network.layers[-2] else 1)]
        )
    whole, _ = rebuilt(network)
    uses = Channels(whole).uses
    found = {key: Reconstruction(use) for key, use in uses.items() if use.mixes}
    measure_gains(whole, found, images(64, 6))
    gains = {each.use.layer.name: each.gain for each in found.values()}
    assert gains["strong"] > 2 * gains["weak"] > 0


def test_all_weights_of_a_copy_learn_where_its_teacher_was_taught_on_frozen_features() -> None:
    backbone = of(layers.Conv2D(8, 3, name="first"), layers.BatchNormalization(), layers.ReLU())
    backbone.trainable = False
    network = of(backbone, layers.Flatten(), layers.Dense(3))
    copy = pruned(network, 0.8, images(40, *SHAPE))
    assert len(copy.trainable_variables) == len(copy.weights) == 4


@cache
def smaller(made: Callable[[], keras.Model], share: float) -> keras.Model:
    return pruned(made(), share, images(40, *SHAPE))


def residual() -> keras.Model:
    """Two sums, one of three branches, a squeeze and a concatenation."""
    inputs = keras.Input(SHAPE)
    x = start = layers.Conv2D(12, 3, padding="same", name="start")(inputs)
    for name in ("one", "two"):
        y = layers.Conv2D(10, 3, padding="same", activation="relu", name=f"{name}_in")(x)
        y = BatchNormalization()(layers.Conv2D(12, 3, padding="same", name=f"{name}_out")(y))
        x = layers.ReLU()(x + y if name == "two" else layers.add([x, y]))
    squeezed = layers.Reshape((1, 1, 12))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(12, 1, activation="sigmoid", name="gate")(squeezed)
    x = layers.Concatenate()([layers.multiply([x, gate]), start])
    x = layers.Conv2D(8, 3, name="last")(x)
    return stirred(keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x))))


def test_branches_that_are_added_up_lose_the_same_channels() -> None:
    found = sizes(smaller(residual, 0.5))
    stream = found["start"]
    assert stream == found["one_out"] == found["two_out"] == found["gate"]
    assert stream < 12 or found["one_in"] < 10
    assert found["last"] == 8


def inside() -> keras.Model:
    """A model inside, and one layer that is applied twice."""
    twice = layers.Conv2D(8, 3, padding="same", activation="relu", name="twice")
    inner = keras.Sequential(
        [
            keras.Input((12, 12, 8)),
            layers.Conv2D(20, 1, name="wide"),
            layers.BatchNormalization(),
            layers.ReLU(max_value=6.0),
            layers.DepthwiseConv2D(3, strides=2, padding="same"),
            layers.Conv2D(10, 1, name="narrow"),
        ]
    )
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(8, 1, activation="relu", name="start")(inputs)
    x = inner(twice(twice(x)))
    outputs = layers.Dense(5)(layers.Flatten()(layers.Softmax()(x)))
    return stirred(keras.Model(inputs, outputs))


def multiply_adds(network: keras.Model) -> int:
    """Count them by kernels and the shapes that Keras says."""
    total = 0
    for layer in layers_within(network):
        for node in layer._inbound_nodes:
            if not hasattr(layer, "kernel"):
                continue
            places = int(np.prod(node.output_tensors[0].shape[1:-1]))
            total += places * int(np.prod(layer.kernel.shape))
    return total


@pytest.mark.parametrize(("made", "share"), [(residual, 0.5), (inside, 0.4)])
def test_no_more_multiply_adds_are_left_than_the_share_allows(made: Any, share: float) -> None:
    copy = smaller(made, share)
    left, total = multiply_adds(copy), cost_of(made()).multiply_adds
    assert cost_of(copy).multiply_adds == left
    assert 0.8 * share < left / total <= share


def test_too_small_a_share_is_refused_and_the_least_possible_one_works() -> None:
    network = of(
        layers.Conv2D(6, 3), layers.LayerNormalization(), layers.Conv2D(9, 3),
        layers.Flatten(), layers.Dense(5),
    )  # fmt: skip
    with pytest.raises(RequestError, match=r"--student teacher@0\.05: of [0-9,]+ multiply-") as no:
        pruned(network, 0.05, images(40, *SHAPE))
    least = float(str(no.value).partition("ask for teacher@")[2].split()[0])
    copy = pruned(network, least, images(40, *SHAPE))
    assert cost_of(copy).multiply_adds <= least * cost_of(network).multiply_adds


def test_a_linear_network_answers_by_way_of_fewer_channels() -> None:
    """Eckart & Young 1936: no map of that rank is nearer on the images."""
    network = of(layers.Dense(8, use_bias=False), shape=(12,))
    seen = images(100, 12)
    seen -= seen.mean(axis=0)
    copy = pruned(network, 0.5, seen)
    rank = 12 * 8 // 2 // (12 + 8)
    outputs = network(seen).numpy()
    nearest = np.linalg.norm(np.linalg.svd(outputs, compute_uv=False)[rank:])
    assert [*sizes(copy).values()] == [rank, 8]
    assert np.linalg.norm(copy(seen) - outputs) < 1.3 * nearest
