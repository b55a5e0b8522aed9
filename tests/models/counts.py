"""How many numbers an architecture consists of, counted layer by layer from its description."""

Shape = tuple[int, int, int]


def convolution(side: int, channels_in: int, channels_out: int, *, bias: bool = True) -> int:
    return side * side * channels_in * channels_out + (channels_out if bias else 0)


def normalization(channels: int) -> int:
    """Scale, offset, moving mean and moving variance."""
    return 4 * channels


def dense(units_in: int, units_out: int) -> int:
    return units_in * units_out + units_out


def resnet(depth: int, shape: Shape, classes: int, *, pooled: bool) -> int:
    """ResNet-v2 with bottleneck blocks of widths 16-64-128-256 and two halvings of the image."""
    height, width, channels = shape
    total = convolution(3, channels, 16) + normalization(16)
    channels = 16
    for narrow, wide in ((16, 64), (64, 128), (128, 256)):
        for block in range((depth - 2) // 9):
            if channels != 16:
                total += normalization(channels)
            total += convolution(1, channels, narrow) + normalization(narrow)
            total += convolution(3, narrow, narrow) + normalization(narrow)
            total += convolution(1, narrow, wide)
            if block == 0:
                total += convolution(1, channels, wide)
            channels = wide
    places = 1 if pooled else (height // 4) * (width // 4)
    return total + normalization(256) + dense(256 * places, classes)


def lenet5(widths: tuple[int, int, int, int], classes: int) -> int:
    """LeNet-5 on 28x28x1 images, padded to 32x32: maps of 28, 14, 10 and 5 pixels a side."""
    first, second, third, fourth = widths
    return (
        convolution(5, 1, first)
        + convolution(5, first, second)
        + dense(5 * 5 * second, third)
        + dense(third, fourth)
        + dense(fourth, classes)
    )


def wide_resnet(depth: int, width: int, channels: int, classes: int) -> int:
    """Pre-activation blocks of two 3x3 convolutions, a 1x1 shortcut where the width changes."""
    total = convolution(3, channels, 16, bias=False)
    channels = 16
    for filters in (16 * width, 32 * width, 64 * width):
        for _ in range((depth - 4) // 6):
            total += normalization(channels) + convolution(3, channels, filters, bias=False)
            total += normalization(filters) + convolution(3, filters, filters, bias=False)
            if channels != filters:
                total += convolution(1, channels, filters, bias=False)
            channels = filters
    return total + normalization(channels) + dense(channels, classes)


def separable(stem: int, filters: tuple[int, ...], channels: int, classes: int) -> int:
    """A convolution, then blocks of a depthwise 3x3 and a 1x1 convolution, each normalized."""
    total = convolution(3, channels, stem, bias=False) + normalization(stem)
    channels = stem
    for wide in filters:
        total += 9 * channels + normalization(channels)
        total += convolution(1, channels, wide, bias=False) + normalization(wide)
        channels = wide
    return total + dense(channels, classes)
