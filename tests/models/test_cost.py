import keras
import pytest

from kextract.models.build import build_model
from kextract.models.spec import Cost, cost_of

LAYERS = keras.layers


def of_layer(layer: keras.Layer, shape: tuple[int, ...]) -> int:
    inputs = keras.Input(shape)
    return cost_of(keras.Model(inputs, layer(inputs))).multiply_adds


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (LAYERS.Conv2D(5, 3, padding="same"), 8 * 6 * 5 * (3 * 3 * 4)),
        (LAYERS.Conv2D(5, 3, strides=2, padding="same"), 4 * 3 * 5 * (3 * 3 * 4)),
        (LAYERS.Conv2D(6, (1, 3), groups=2), 8 * 4 * 6 * (1 * 3 * 2)),
        (LAYERS.DepthwiseConv2D(3, depth_multiplier=2), 6 * 4 * 8 * (3 * 3)),
        (LAYERS.SeparableConv2D(5, 3), 6 * 4 * (4 * 3 * 3 + 4 * 5)),
        (LAYERS.Conv2DTranspose(5, 2, strides=2), 8 * 6 * 4 * (2 * 2 * 5)),
        (LAYERS.Dense(7), 8 * 6 * 4 * 7),
        (LAYERS.MaxPooling2D(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else "",
)
def test_a_layer_costs_its_kernel_at_every_place(layer: keras.Layer, expected: int) -> None:
    assert of_layer(layer, (8, 6, 4)) == expected


def test_lenet5_costs_what_is_published() -> None:
    """416,520 multiply-adds on MNIST, with all sixteen maps of the second convolution connected."""
    assert cost_of(build_model("lenet5", (28, 28, 1), 10)) == Cost(61_706, 416_520)


def test_a_model_inside_a_model_is_counted_and_a_layer_that_is_applied_twice_twice() -> None:
    shared, inner = LAYERS.Dense(4), keras.Sequential([keras.Input((4,)), LAYERS.Dense(3)])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(shared(shared(inputs))))
    assert cost_of(model) == Cost(4 * 4 + 4 + 4 * 3 + 3, 2 * 4 * 4 + 4 * 3)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = build_model("tiny", (16, 16, 1), 3)
    before = [dict(vars(layer)) for layer in model.layers]
    cost_of(model)
    assert [set(vars(layer)) for layer in model.layers] == [set(each) for each in before]
