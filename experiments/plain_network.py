"""Write a network without any batch normalization, for images of 32x32x3 and ten classes.

python experiments/plain_network.py plain.keras 0    # the seed of its weights
"""

import sys

import keras

WIDTHS = (48, 96, 192)


def plain_network() -> keras.Model:
    """Build three pairs of 3x3 convolutions, each followed by a maximum, and a mean at the end."""
    layers = [keras.Input((32, 32, 3))]
    for width in WIDTHS:
        layers += [
            keras.layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer="he_normal"
            )
            for _ in range(2)
        ]
        layers.append(keras.layers.MaxPooling2D())
    return keras.Sequential(
        [*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    )


if __name__ == "__main__":
    keras.utils.set_random_seed(int(sys.argv[2]))
    plain_network().save(sys.argv[1])
