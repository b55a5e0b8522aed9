"""Networks for phones and microcontrollers: depthwise separable convolutions throughout.

Source: Howard et al. 2017, "MobileNets", section 3.1, with shortcuts where the shape stays, after
Sandler et al. 2018, "MobileNetV2", section 3.3; `tiny` after Zhang et al. 2017, "Hello edge",
section 4.2 (DS-CNN).
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from kextract.models.spec import Cost, ModelSpec, scaled

if TYPE_CHECKING:
    import keras

    from kextract.models.blocks import Blocks

LARGE_IMAGE = 48
"""Longest side of an image that the first convolution does not halve."""
CHANNELS_TOGETHER = 4
"""Widths are multiples of it: the integer kernels of small processors take four at once."""

Stage = tuple[int, int, int]
"""Channels, how many blocks have them, and the stride of the first of these."""


def separable(
    name: str,
    stem: int,
    stages: Sequence[Stage],
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    weight_decay: float,
    width: float = 1.0,
) -> "keras.Model":
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    A convolution to `stem` channels, the stages, and a classifier of their mean. Images of more
    than 48 pixels a side are halved by the first convolution, so that the last map of a small image
    is not a single place.
    """
    import keras

    from kextract.models.blocks import Blocks

    blocks = Blocks(weight_decay)
    inputs = keras.Input(input_shape)
    stride = 2 if max(input_shape[:2]) > LARGE_IMAGE else 1
    x = blocks.normalized(blocks.convolution(inputs, _channels(stem, width), 3, stride))
    for filters, count, first_stride in stages:
        for block in range(count):
            x = _block(blocks, x, _channels(filters, width), first_stride if block == 0 else 1)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    return keras.Model(inputs, blocks.logits(x, classes), name=name)


def _block(
    blocks: "Blocks", x: "keras.KerasTensor", filters: int, stride: int
) -> "keras.KerasTensor":
    branch = blocks.normalized(blocks.depthwise(x, stride))
    branch = blocks.normalization(blocks.convolution(branch, filters, 1))
    same_shape = x.shape[-1] == filters and stride == 1
    return blocks.activation(blocks.sum(x, branch) if same_shape else branch)


def _channels(full: int, width: float) -> int:
    """Scale a width to the nearest multiple of `CHANNELS_TOGETHER`, at least one of these."""
    return CHANNELS_TOGETHER * scaled(full // CHANNELS_TOGETHER, width)


MOBILE = ModelSpec(
    "MobileNet-like, for phones",
    partial(separable, "mobile", 32, ((64, 1, 1), (128, 2, 2), (256, 3, 2))),
    cost=Cost(209_610, 20_867_584),
    fast_in_bfloat16=False,
)
TINY = ModelSpec(
    "the same in small, for microcontrollers: less than 50 KB as int8",
    partial(separable, "tiny", 16, ((24, 1, 2), (48, 2, 2), (64, 2, 1))),
    cost=Cost(15_746, 1_364_096),
    fast_in_bfloat16=False,
)
