"""A smaller copy of a network, whose kernels are products of two."""

from typing import Any

import keras
import numpy as np
import pytest

from kextract.errors import RequestError
from kextract.models.batch_norm import BatchNormalization
from kextract.models.low_rank import low_rank_copy
from kextract.models.statistics import batch_norm_layers, layers_within

SHAPE = (12, 12, 3)


def images(count: int = 40, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype(np.float32)


def of_rank(network: keras.Model, rank: int) -> keras.Model:
    """Let every kernel map its channels by way of so many."""
    rng = np.random.default_rng(1)
    for layer in layers_within(network):
        separable = isinstance(layer, keras.layers.SeparableConv2D)
        kernel = layer.pointwise_kernel if separable else getattr(layer, "kernel", None)
        if kernel is None:
            continue
        *places, channels, outputs = kernel.shape
        first = rng.normal(size=(channels, rank)) / channels**0.5
        second = rng.normal(size=(*places, rank, outputs))
        kernel.assign(first @ second)
        if layer.use_bias:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    return network


def many_kinds() -> keras.Model:
    """Every kind of layer that is split, one of them in a model inside."""
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((12, 12, 16)),
            layers.SeparableConv2D(24, 3, strides=2, padding="same", activation="relu"),
            BatchNormalization(),
        ]
    )
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = inner(x)
    side = layers.Conv2D(24, 1, strides=2, use_bias=False)(x)
    x = layers.Conv2D(24, 3, strides=2, padding="same", dilation_rate=1)(x)
    x = layers.Flatten()(layers.add([x, side]))
    return keras.Model(inputs, layers.Dense(5)(layers.Dense(20, activation="tanh")(x)))


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return many_kinds()


@pytest.fixture(scope="module")
def copy(network: keras.Model) -> keras.Model:
    """What is left of six tenths of the network, which must not be changed."""
    before = network.get_weights()
    left = low_rank_copy(network, 0.6, images())
    np.testing.assert_equal(network.get_weights(), before)
    return left


def test_kernels_that_are_of_low_rank_lose_nothing() -> None:
    network = of_rank(many_kinds(), 2)
    copy, seen = low_rank_copy(network, 0.6, images()), images(8)
    expected = network(seen, training=False).numpy()
    np.testing.assert_allclose(copy(seen, training=False), expected, rtol=1e-3, atol=1e-3)


def test_no_more_parameters_are_left_than_the_share_allows(
    network: keras.Model, copy: keras.Model
) -> None:
    assert 0.8 * 0.6 < copy.count_params() / network.count_params() <= 0.6


def test_no_other_kernel_of_that_rank_would_be_nearer_on_the_images() -> None:
    """Eckart & Young 1936: what is lost are the smallest singular values of the outputs."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((12,)), keras.layers.Dense(30, use_bias=False)])
    seen = images(50, (12,)) * np.geomspace(1, 0.01, 12, dtype=np.float32)
    copy = low_rank_copy(network, 0.4, seen)
    inner, _ = layers_within(copy)
    outputs = network(seen).numpy().astype(np.float64)
    singular = np.linalg.svd(outputs, compute_uv=False)
    error = np.linalg.norm(copy(seen).numpy() - outputs)
    assert inner.units == 3
    assert error == pytest.approx(np.linalg.norm(singular[inner.units :]), rel=1e-3)


def test_what_matters_least_is_cut_most() -> None:
    inputs = keras.Input((32,))
    one, other = (keras.layers.Dense(32, name=name)(inputs) for name in ("matters", "does_not"))
    outputs = keras.layers.add([one, keras.layers.Rescaling(1e-3)(other)])
    copy = low_rank_copy(keras.Model(inputs, outputs), 0.7, images(100, (32,)))
    assert copy.get_layer("matters").count_params() == 32 * 32 + 32
    assert copy.get_layer("does_not").count_params() < 0.5 * 32 * 32


def test_batch_normalizations_stay_as_they_are_while_the_copy_is_trained(
    copy: keras.Model,
) -> None:
    before = [layer.get_weights() for layer in batch_norm_layers(copy)]
    copy(images(), training=True)
    after = [layer.get_weights() for layer in batch_norm_layers(copy)]
    np.testing.assert_equal(after, before)
    assert not any(layer.trainable_variables for layer in batch_norm_layers(copy))


def test_the_beginning_is_left_and_not_trained_where_the_rest_can_be_cut_as_well() -> None:
    def trained(network: keras.Model) -> dict[str, bool]:
        return {layer.name: layer.trainable for layer in layers_within(network) if layer.weights}

    layers = keras.layers
    sizes = {"first": 8, "second": 8, "large": 64, "last": 64}
    network = of_rank(
        keras.Sequential(
            [keras.Input((8,)), *(layers.Dense(size, name=name) for name, size in sizes.items())]
        ),
        2,
    )
    copy = low_rank_copy(network, 0.5, images(50, (8,)))
    assert trained(copy) == {
        "first": False,
        "second": False,
        "large": False,
        "last_narrow": True,
        "last": True,
    }


def test_a_copy_of_which_nothing_is_cut_is_trained_as_a_whole() -> None:
    copy = low_rank_copy(many_kinds(), 1.0, images())
    kept = {id(layer) for layer in batch_norm_layers(copy)}
    assert all(layer.trainable for layer in layers_within(copy) if id(layer) not in kept)


def test_what_folding_saves_is_left_for_the_kernels() -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(40, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Conv2D(40, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    copy = low_rank_copy(network, 0.5, images())
    assert batch_norm_layers(copy) == []
    assert 0.45 < copy.count_params() / network.count_params() <= 0.5


def test_too_small_a_share_is_refused_and_the_least_possible_one_works(
    network: keras.Model,
) -> None:
    with pytest.raises(RequestError, match=r"--student teacher@0\.05: of [0-9,]+ parameters") as no:
        low_rank_copy(network, 0.05, images())
    least = float(str(no.value).partition("ask for teacher@")[2].split()[0])
    assert low_rank_copy(network, least, images()).count_params() < network.count_params()


def test_a_kernel_of_many_inputs_is_cut_by_itself() -> None:
    inputs = keras.Input((40, 40, 2))
    outputs = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
    network, seen = of_rank(keras.Model(inputs, outputs), 2), images(8, (40, 40, 2))
    copy = low_rank_copy(network, 0.4, seen)
    np.testing.assert_allclose(copy(seen), network(seen), rtol=1e-3, atol=1e-3)
