"""Architectures by name, each with the function that builds it; TensorFlow is imported by that.

Residual networks: the seed article's is the `resnet_v2` of Keras's CIFAR-10 example (2020) with
bottleneck blocks, after He et al. 2016, "Identity mappings in deep residual networks", section 4;
its "ResNet 12" is depth 11 plus a classifier. WRN-depth-width, the field's network on CIFAR-10, is
that of Zagoruyko & Komodakis 2016, "Wide residual networks", section 2, without dropout.

LeNet-5 and its half, the pair on which the field compares itself on MNIST: LeCun et al. 1998,
section II.B, as used by DAFL (Chen et al. 2019, section 4.1), with ReLU, max pooling and a full
second convolution.

Networks for phones and microcontrollers, with depthwise separable convolutions throughout: Howard
et al. 2017, "MobileNets", section 3.1, with shortcuts where the shape stays, after Sandler et al.
2018, "MobileNetV2", section 3.3; `tiny` after Zhang et al. 2017, "Hello edge", section 4.2
(DS-CNN).
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.errors import RequestError, UnknownNameError
from kextract.models.cost import Cost

if TYPE_CHECKING:
    import keras

    from kextract.models.blocks import Blocks

POOLINGS = ("article", "global", "none")
ARTICLE_POOL = 8
"""Side of the article's average pooling: all of the last feature map of a 32x32 image."""
LARGE_IMAGE = 48
"""Longest side of an image that the first convolution does not halve."""
CHANNELS_TOGETHER = 4
"""Widths are multiples of it: the integer kernels of small processors take four at once."""

Stage = tuple[int, int, int]
"""Channels, how many blocks have them, and the stride of the first of these."""


@dataclass(frozen=True)
class ModelSpec:
    """One architecture: how it is described and built."""

    description: str
    build: Callable[..., Any]
    """Takes (input_shape, classes, width=..., weight_decay=...) and makes a `keras.Model`.

    `width` multiplies the channels of every hidden layer. It takes pooling=... where `has_pooling`.
    It imports Keras when it is called and not before.
    """
    poolings: tuple[str, ...] = ("global",)
    """What may come before the classifier: all of `POOLINGS`, or what the architecture has."""
    cost: Cost | None = None
    """For images of 32x32x3 and ten classes; None for one that is not listed."""

    normalizes: bool = True
    """Whether it has batch normalizations."""

    fast_in_bfloat16: bool = True
    """Whether it is faster in bfloat16 where that is native; depthwise convolutions take twice as
    long, and those of few channels up to twice."""

    @property
    def has_pooling(self) -> bool:
        """Whether the pooling before the classifier can be chosen."""
        return len(self.poolings) > 1


def scaled(channels: int, width: float) -> int:
    """Return this many channels times a width, at least one."""
    return max(1, round(channels * width))


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


def lenet5(
    scale: float,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    weight_decay: float,
    width: float = 1.0,
) -> "keras.Model":
    """Build the network: float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `scale` and `width` multiply all widths. The first convolution pads 28x28 images as if they were
    32x32, and the third, which sees a whole 5x5 map, is a dense layer so that other sizes fit.
    """
    import keras

    penalty = keras.regularizers.L2(weight_decay)
    inputs = keras.Input(input_shape)
    x = inputs
    for index, (filters, padding) in enumerate(((6, "same"), (16, "valid"))):
        x = keras.layers.Conv2D(
            scaled(filters, scale * width),
            5,
            padding=padding,
            activation="relu",
            kernel_regularizer=penalty,
            name=f"conv2d_{index}",
        )(x)
        x = keras.layers.MaxPooling2D(name=f"pooling_{index}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for index, units in enumerate((120, 84)):
        x = keras.layers.Dense(
            scaled(units, scale * width),
            activation="relu",
            kernel_regularizer=penalty,
            name=f"dense_{index}",
        )(x)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="lenet5" if scale == 1 else "lenet5-half")


LENET5 = ModelSpec(
    "LeNet-5 with ReLU, 62k parameters on MNIST",
    partial(lenet5, 1.0),
    poolings=("none",),
    normalizes=False,
    cost=Cost(83_126, 886_440),
)
LENET5_HALF = ModelSpec(
    "LeNet-5 at half width, 16k parameters",
    partial(lenet5, 0.5),
    poolings=("none",),
    normalizes=False,
    cost=Cost(21_168, 337_020),
)


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


MINIMUM_SIDE = 16
WIDTHS = (0.1, 4.0)
"""The least and the largest multiplier of an architecture's width."""
TEACHER = "teacher"
SHARES = (0.05, 0.95)
"""The least and the largest share of its teacher's multiply-adds that a student can begin with."""

MODELS: dict[str, ModelSpec] = {
    "resnet11": resnet_spec(
        11, " plus classifier, the article's network", Cost(299_178, 34_523_648)
    ),
    "resnet20": resnet_spec(20, " (any resnetN with N = 9n + 2 works)", Cost(574_090, 66_243_072)),
    "resnet29": resnet_spec(29, cost=Cost(849_002, 97_962_496)),
    "lenet5": LENET5,
    "lenet5-half": LENET5_HALF,
    "wrn-16-1": wide_resnet_spec(16, 1, Cost(175_994, 26_657_408)),
    "wrn-16-2": wide_resnet_spec(16, 2, Cost(693_498, 101_106_944)),
    "wrn-40-2": wide_resnet_spec(40, 2, Cost(2_248_954, 327_599_360)),
    "mobile": MOBILE,
    "tiny": TINY,
}


def model_spec(name: str) -> ModelSpec:
    """Look an architecture up; `NAME@W` is NAME with W times the channels in every hidden layer.

    `resnetN` is known for every N = 9n + 2 up to 1001.
    """
    base, at, width = name.partition("@")
    if not at:
        return _listed(name)
    spec = _listed(base)
    factor = _after_at(name, width, WIDTHS, "multiplies the width")
    return replace(
        spec,
        build=partial(spec.build, width=factor),
        cost=None,
        fast_in_bfloat16=spec.fast_in_bfloat16 and factor >= 1,
    )


def _listed(name: str) -> ModelSpec:
    if name in MODELS:
        return MODELS[name]
    resnet = re.fullmatch(r"resnet([1-9][0-9]{0,3})", name)
    if resnet is None:
        raise UnknownNameError("model", name, MODELS)
    depth = int(resnet[1])
    if depth < 11 or depth > 1001 or (depth - 2) % 9:
        below = max(11, depth - (depth - 2) % 9)
        raise RequestError(
            f"unknown model '{name}': a ResNet-v2 has depth 9n + 2 from 11 to 1001,"
            f" such as 'resnet{min(below, 1001)}'"
        )
    return resnet_spec(depth)


def share_of_teacher(name: str) -> float | None:
    """Read `teacher@SHARE`, the teacher's own network with that share of its multiply-adds left.

    None for any other name. Raises RequestError for anything but a number from 0.05 to 0.95.
    """
    base, _, text = name.partition("@")
    if base != TEACHER:
        return None
    return _after_at(name, text, SHARES, "is the share of the teacher's multiply-adds that is left")


def _after_at(name: str, text: str, bounds: tuple[float, float], meaning: str) -> float:
    least, most = bounds
    value = float(text) if re.fullmatch(r"[0-9](\.[0-9]{1,3})?", text) else 0.0
    if not least <= value <= most:
        raise RequestError(
            f"unknown model '{name}': what follows the @ {meaning} and must be a number"
            f" from {least:g} to {most:g}, such as '{name.partition('@')[0]}@0.5'"
        )
    return value


def model_pooling(name: str, input_shape: tuple[int, int, int], requested: str | None) -> str:
    """Say which pooling a model gets: the requested one, or the article's where it fits."""
    spec = model_spec(name)
    if not spec.has_pooling:
        (own,) = spec.poolings
        if requested not in (None, own):
            raise RequestError(
                f"--pooling {requested}: '{name}' has its own pooling; leave --pooling out"
            )
        return own
    # The last feature map has a quarter of the image's side, rounded up.
    fits = min(-(-side // 4) for side in input_shape[:2]) >= ARTICLE_POOL
    if requested is None:
        return "article" if fits else "none"
    if requested == "article" and not fits:
        height, width, _ = input_shape
        raise RequestError(
            f"--pooling article: 8x8 averages need images of at least 29x29, found"
            f" {height}x{width}; use global or none"
        )
    return requested


def check_input_shape(input_shape: tuple[int, int, int]) -> None:
    """Refuse images that the architectures cannot take."""
    height, width, channels = input_shape
    if channels not in (1, 3) or min(height, width) < MINIMUM_SIDE:
        raise RequestError(
            f"images of {height}x{width}x{channels}: models take 1 or 3 channels and at least"
            f" {MINIMUM_SIDE}x{MINIMUM_SIDE} pixels"
        )


POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build_model(
    name: str,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    pooling: str | None = None,
    weight_decay: float = 1e-4,
    precision: str = "float32",
    seed: int = 0,
) -> "keras.Model":
    """Build a model that maps float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `precision` is float32 or bfloat16; weights are float32 in both. Raises UnknownNameError for an
    unknown name and RequestError for a shape or pooling that does not fit.
    """
    check_input_shape(input_shape)
    spec = model_spec(name)
    chosen = {"pooling": model_pooling(name, input_shape, pooling)} if spec.has_pooling else {}
    with weights_drawn_by(seed), precision_policy(precision):
        return spec.build(input_shape, classes, weight_decay=weight_decay, **chosen)


def fastest_precision(requested: str, name: str | None) -> str:
    """Replace `auto` by the precision in which a network is fastest.

    `name` is the name of a registered architecture, None for any other network.
    """
    if requested == "auto" and name is not None and not model_spec(name).fast_in_bfloat16:
        return "float32"
    return runtime.resolve_precision(requested)


@contextmanager
def weights_drawn_by(seed: int) -> Iterator[None]:
    """Seed the initial weights of layers that are made in the block.

    The weights are those after `keras.utils.set_random_seed`, which would also reseed everything
    else in the process, the caller's own random numbers included.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Make this precision the default of layers that are made in the block."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def student_seed(seed: int) -> int:
    """Return the seed of a student's weights, which never gives its teacher's initial weights.

    A student that starts where its teacher started would make any method look good.
    """
    from kextract.seeds import Stream, seed_number

    return seed_number(Stream.STUDENT, seed)
