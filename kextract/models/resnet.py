"""Residual networks: the seed article's, and wide ones, the field's networks on CIFAR-10.

The article's is the `resnet_v2` of Keras's CIFAR-10 example (2020) with bottleneck blocks, after He
et al. 2016, "Identity mappings in deep residual networks", section 4; its "ResNet 12" is depth 11
plus a classifier. WRN-depth-width is that of Zagoruyko & Komodakis 2016, "Wide residual networks",
section 2, without dropout.
"""

from functools import partial
from typing import TYPE_CHECKING

from kextract.models.spec import ARTICLE_POOL, POOLINGS, Cost, ModelSpec, scaled

if TYPE_CHECKING:
    import keras


def resnet_spec(depth: int, note: str = "", cost: Cost | None = None) -> ModelSpec:
    """Describe the network of this depth, 9n + 2."""
    return ModelSpec(
        f"ResNet-v2 of depth {depth}{note}", partial(resnet, depth), poolings=POOLINGS, cost=cost
    )


def resnet(
    depth: int,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    pooling: str,
    weight_decay: float,
    width: float = 1.0,
) -> "keras.Model":
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `pooling` is `global`, `article` (8x8 averages) or `none`. `weight_decay` is the L2 penalty on
    convolution kernels.
    """
    import keras

    from kextract.models.blocks import Blocks

    blocks = Blocks(weight_decay, bias=True)
    inputs = keras.Input(input_shape)
    channels = scaled(16, width)
    x = blocks.normalized(blocks.convolution(inputs, channels, 3))

    for stage in range(3):
        channels_out = channels * (4 if stage == 0 else 2)
        for block in range((depth - 2) // 9):
            first = block == 0
            stride = 2 if first and stage > 0 else 1
            # The network's first block follows an activation, so it does not begin with another.
            branch = x if first and stage == 0 else blocks.normalized(x)
            branch = blocks.convolution(branch, channels, 1, stride)
            branch = blocks.convolution(blocks.normalized(branch), channels, 3)
            branch = blocks.convolution(blocks.normalized(branch), channels_out, 1)
            shortcut = blocks.convolution(x, channels_out, 1, stride) if first else x
            x = blocks.sum(shortcut, branch)
        channels = channels_out

    x = _pool(blocks.normalized(x), pooling)
    return keras.Model(inputs, blocks.logits(x, classes), name=f"resnet{depth}")


def _pool(x: "keras.KerasTensor", pooling: str) -> "keras.KerasTensor":
    import keras

    if pooling == "global":
        return keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    if pooling == "article":
        x = keras.layers.AveragePooling2D(ARTICLE_POOL, name="pooling")(x)
    return keras.layers.Flatten(name="flatten")(x)


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
