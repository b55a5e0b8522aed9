"""Which numbers another program's network takes for black and white; nothing here needs Keras."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.errors import RequestError
from kextract.text import decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

Channels = float | tuple[float, ...]
"""One number for all channels, or one per channel."""

_FLAG = "--input-range"
_MAX_FILE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to pixels before a network sees them, as the values of black and of white."""

    low: Channels = -1.0
    """What the network takes for black."""
    high: Channels = 1.0
    """What it takes for white; never that of black."""
    reverse: bool = False
    """Whether it takes channels as blue, green, red; `low` and `high` are in that order then."""
    per_image: bool = False
    """Whether each image is standardized by itself, whatever its black and white are."""

    @property
    def scale(self) -> Channels:
        """By what pixels of -1 to 1 are multiplied."""
        return self._by_channel(lambda low, high: (high - low) / 2)

    @property
    def offset(self) -> Channels:
        """What is added after that."""
        return self._by_channel(lambda low, high: (high + low) / 2)

    @property
    def channels(self) -> int | None:
        """Of how many channels images have to be; None for any number."""
        lengths = [len(value) for value in (self.low, self.high) if isinstance(value, tuple)]
        return max(lengths) if lengths else None

    def apply(self, images: "NDArray[Any]") -> "NDArray[Any]":
        """Turn images (..., h, w, c) in [-1, 1] into what the network takes."""
        import numpy as np

        if self.per_image:
            axes = (-3, -2, -1)
            means = images.mean(axis=axes, keepdims=True, dtype=np.float64)
            variances = images.var(axis=axes, keepdims=True, dtype=np.float64)
            floor = least_variance(math.prod(images.shape[-3:]))
            return np.asarray((images - means) / np.sqrt(variances + floor), images.dtype)
        scaled = self.ordered(images) * np.asarray(self.scale) + np.asarray(self.offset)
        return np.asarray(scaled, images.dtype)

    def ordered(self, images: "NDArray[Any]") -> "NDArray[Any]":
        """Put the channels of images (..., c) into the order that the network takes."""
        return images[..., ::-1] if self.reverse else images

    def check_fits(self, input_shape: tuple[int, int, int]) -> None:
        """Raise RequestError for images of another number of channels."""
        needed = self.channels or (3 if self.reverse else None)
        if needed not in (None, input_shape[2]):
            raise RequestError(
                f"{_FLAG} {self}: is for images of {needed} channels, but the network takes"
                f" {input_shape[2]}"
            )

    @property
    def typed(self) -> str:
        """What follows `--input-range` on a command line, with the sign that separates it."""
        ends = (self.low, self.high)
        plain = not (self.per_image or self.reverse or any(isinstance(e, tuple) for e in ends))
        text = f"{self.low:g},{self.high:g}" if plain else str(self)
        return f"={text}" if text.startswith("-") else f" {text}"

    def __str__(self) -> str:
        for name, known in NAMED.items():
            if known == self:
                return name
        ends = (value if isinstance(value, tuple) else (value,) for value in (self.low, self.high))
        shown = ",".join("/".join(f"{number:.4g}" for number in end) for end in ends)
        return f"{shown}, blue first" if self.reverse else shown

    def _by_channel(self, function: Any) -> Channels:
        low, high = self.low, self.high
        if not isinstance(low, tuple) and not isinstance(high, tuple):
            return float(function(low, high))
        length = self.channels or 1
        lows = low if isinstance(low, tuple) else (low,) * length
        highs = high if isinstance(high, tuple) else (high,) * length
        return tuple(function(*pair) for pair in zip(lows, highs, strict=True))


def standardized(
    mean: Sequence[float],
    deviation: Sequence[float],
    *,
    black: float = 0.0,
    white: float = 1.0,
    reverse: bool = False,
) -> Preprocessing:
    """Pixels from `black` to `white`, less the mean and over the deviation of each channel."""
    pairs = list(zip(mean, deviation, strict=True))
    return Preprocessing(
        tuple((black - middle) / width for middle, width in pairs),
        tuple((white - middle) / width for middle, width in pairs),
        reverse,
    )


PIXELS = Preprocessing()
"""What kextract's own networks take."""
PER_IMAGE = Preprocessing(per_image=True)
"""Each image less its mean, over its standard deviation, all channels together.

As `tf.image.per_image_standardization` of pixels of 0 to 255 has it, whose least deviation is
1/sqrt(N) for images of N numbers: here 1/N is added to the variance. The two, and the 1e-6 or 1e-7
that others add to the deviation, differ only for images that are all but one colour.
"""


def least_variance(count: int) -> float:
    """Return what is added to the variance of an image of so many numbers in [-1, 1]."""
    return 1 / count / 127.5**2


NAMED: dict[str, Preprocessing] = {
    "0..255": Preprocessing(0.0, 255.0),
    "0..1": Preprocessing(0.0, 1.0),
    "-1..1": PIXELS,
    # `preprocess_input` of keras.applications, in its modes "torch" and "caffe".
    "imagenet": standardized((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": standardized((103.939, 116.779, 123.68), (1.0,) * 3, white=255.0, reverse=True),
    "per-image": PER_IMAGE,
}
"""The usual ones, by name."""


@dataclass(frozen=True, slots=True)
class RangeGuess:
    """Which pixels a network takes, and how that was found out."""

    preprocessing: Preprocessing | None
    """None where nothing tells."""
    reason: str
    """In a few words, to stand after a colon."""
    confident: bool
    """Whether it may be taken without asking."""
    rival: Preprocessing | None = None
    """What fits nearly as well."""


def parse_input_range(text: str) -> Preprocessing:
    """Read what `--input-range` takes: a name of `NAMED`, `LOW,HIGH`, or the path of a TOML file.

    Raises RequestError.
    """
    if text in NAMED:
        return NAMED[text]
    if text.endswith(".toml"):
        return _from_file(Path(text))
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RequestError(
            f"{_FLAG} {text}: must be two numbers LOW,HIGH with LOW below HIGH, such as 0,255; or"
            f" one of {', '.join(NAMED)}; or a file NAME.toml"
        )
    return Preprocessing(low, high)


def _from_file(path: Path) -> Preprocessing:
    """Read `range`, `mean`, `deviation` and `channels` (rgb or bgr) from a TOML file."""
    where = f"{_FLAG} {path}"
    try:
        with path.open("rb") as file:
            fields = tomllib.loads(decoded(file.read(_MAX_FILE_BYTES)))
    except OSError as error:
        raise RequestError(f"{where}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RequestError(f"{where}: is not TOML ({' '.join(str(error).split())})") from error
    unknown = sorted(set(fields) - {"range", "mean", "deviation", "channels"})
    if unknown:
        raise RequestError(
            f"{where}: '{unknown[0]}' is unknown; known are range, mean, deviation and channels"
        )
    order = fields.get("channels", "rgb")
    if order not in ("rgb", "bgr"):
        raise RequestError(f"{where}: channels must be 'rgb' or 'bgr', found '{order}'")
    black, white = _numbers(fields, "range", [0.0, 1.0], where)
    mean = _numbers(fields, "mean", [0.0], where)
    deviation = _numbers(fields, "deviation", [1.0], where)
    longest = max(len(mean), len(deviation))
    for name, values in (("mean", mean), ("deviation", deviation)):
        if len(values) not in (1, longest):
            raise RequestError(f"{where}: {name} must have one number, or one per channel")
    if min(deviation) <= 0 or black >= white:
        raise RequestError(f"{where}: deviations must be positive, and range [LOW, HIGH] rise")
    found = standardized(
        mean * (longest // len(mean)),
        deviation * (longest // len(deviation)),
        black=black,
        white=white,
        reverse=order == "bgr",
    )
    if longest == 1 and isinstance(found.low, tuple) and isinstance(found.high, tuple):
        return Preprocessing(found.low[0], found.high[0], found.reverse)
    return found


def _numbers(fields: Mapping[str, Any], name: str, default: list[float], where: str) -> list[float]:
    value = fields.get(name, default)
    values = value if isinstance(value, list) else [value]
    good = all(type(item) in (int, float) and math.isfinite(item) for item in values) and values
    if not good or (name == "range" and len(values) != 2):
        shape = "two numbers [LOW, HIGH]" if name == "range" else "a number or a list of numbers"
        raise RequestError(f"{where}: {name} must be {shape}")
    return [float(item) for item in values]
