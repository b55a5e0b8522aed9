import keras

from kextract.models.multiply_adds import multiply_adds_of

L = keras.layers


def test_multiply_adds_are_those_of_the_shapes() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 10, 3)),
            L.Conv2D(4, (3, 5), padding="same"),
            L.DepthwiseConv2D(3),
            L.SeparableConv2D(7, 3, padding="same"),
            L.Conv2DTranspose(2, 2, strides=2),
            L.Flatten(),
            L.Dense(11),
        ]
    )
    conv = 8 * 10 * 4 * (3 * 5 * 3)
    depth = 6 * 8 * 4 * (3 * 3)
    separable = 6 * 8 * (4 * 3 * 3 + 4 * 7)
    # Each number of the smaller image is spread over two by two places in two channels.
    transposed = 6 * 8 * 7 * (2 * 2 * 2)
    dense = 12 * 16 * 2 * 11
    assert multiply_adds_of(model) == conv + depth + separable + transposed + dense


def test_groups_and_models_inside_count_as_they_compute() -> None:
    inner = keras.Sequential([keras.Input((4, 4, 8)), L.Conv2D(8, 3, groups=4, padding="same")])
    model = keras.Sequential([keras.Input((4, 4, 8)), inner, L.Conv2D(2, 1)])
    assert multiply_adds_of(model) == 4 * 4 * 8 * (3 * 3 * 2) + 4 * 4 * 2 * 8
