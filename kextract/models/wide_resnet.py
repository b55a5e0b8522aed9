"""Wide residual networks, WRN-depth-width: the field's teachers and students on CIFAR-10.

Source: Zagoruyko & Komodakis 2016, "Wide residual networks", section 2, without dropout.
"""

from functools import partial
from typing import TYPE_CHECKING

from kextract.models.spec import Cost, ModelSpec, scaled

if TYPE_CHECKING:
    import keras


def wide_resnet_spec(depth: int, widening: int, cost: Cost | None = None) -> ModelSpec:
    """Describe the network of this depth, 6n + 4, and widening factor."""
    build = partial(wide_resnet, depth, widening)
    return ModelSpec(f"wide ResNet of depth {depth}, width {widening}", build, cost=cost)


def wide_resnet(
    depth: int,
    widening: int,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    weight_decay: float,
    width: float = 1.0,
) -> "keras.Model":
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `depth` is 6n + 4: three groups of n blocks of two 3x3 convolutions. Convolutions have no bias.
    """
    import keras

    from kextract.models.blocks import Blocks

    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    x = blocks.convolution(inputs, scaled(16, width), 3)
    for group in range(3):
        filters = scaled(16 * widening * 2**group, width)
        for block in range((depth - 4) // 6):
            stride = 2 if block == 0 and group > 0 else 1
            entry = blocks.normalized(x)
            branch = blocks.normalized(blocks.convolution(entry, filters, 3, stride))
            branch = blocks.convolution(branch, filters, 3)
            # Where the width changes, the shortcut is a convolution of the activated entry.
            same_shape = x.shape[-1] == filters and stride == 1
            shortcut = x if same_shape else blocks.convolution(entry, filters, 1, stride)
            x = blocks.sum(shortcut, branch)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(blocks.normalized(x))
    return keras.Model(inputs, blocks.logits(x, classes), name=f"wrn-{depth}-{widening}")
