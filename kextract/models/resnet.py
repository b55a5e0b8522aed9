"""ResNet-v2 with bottleneck blocks: the seed article's network, at any depth 9n + 2.

Source: the `resnet_v2` of Keras's CIFAR-10 example (2020), after He et al. 2016, "Identity mappings
in deep residual networks", section 4. The article's "ResNet 12" is depth 11 plus its classifier.
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
