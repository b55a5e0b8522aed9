"""Which pixel values an external network takes for black and white; nothing here needs Keras."""

import json
import math
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.errors import RequestError
from kextract.text import decoded, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

Channels = float | tuple[float, ...]
"""One number for all channels, or one per channel."""

_FLAG = "--input-range"
_MAX_FILE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels are scaled for a network, given by its values of black and of white."""

    low: Channels = -1.0
    """The network's value of black."""
    high: Channels = 1.0
    """The network's value of white, different from that of black."""
    reverse: bool = False
    """Whether channels are in the order blue, green, red, in `low` and `high` too."""
    per_image: bool = False
    """Whether each image is standardized by its own mean and std instead."""

    @property
    def scale(self) -> Channels:
        """The factor for pixels of -1 to 1."""
        return self._by_channel(lambda low, high: (high - low) / 2)

    @property
    def offset(self) -> Channels:
        """The number that is added after multiplying by `scale`."""
        return self._by_channel(lambda low, high: (high + low) / 2)

    @property
    def channels(self) -> int | None:
        """The number of channels that images must have; None for any."""
        lengths = [len(value) for value in (self.low, self.high) if isinstance(value, tuple)]
        return max(lengths) if lengths else None

    def apply(self, images: "NDArray[Any]") -> "NDArray[Any]":
        """Scale images (..., h, w, c) from [-1, 1] to the network's range."""
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
        """Put the channels of images (..., c) into the network's order."""
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
    def recorded(self) -> str:
        """The range as text for the metadata of a file, to be read by `recorded_range`."""
        return json.dumps(asdict(self))

    @property
    def typed(self) -> str:
        """The argument of `--input-range`, with the blank or `=` before it."""
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
    std: Sequence[float],
    *,
    black: float = 0.0,
    white: float = 1.0,
    reverse: bool = False,
) -> Preprocessing:
    """Standardize pixels of `black` to `white` by the mean and std of each channel."""
    pairs = list(zip(mean, std, strict=True))
    return Preprocessing(
        tuple((black - middle) / width for middle, width in pairs),
        tuple((white - middle) / width for middle, width in pairs),
        reverse,
    )


PIXELS = Preprocessing()
"""What kextract's own networks take."""
PER_IMAGE = Preprocessing(per_image=True)
"""Each image standardized by its own mean and std over all channels.

`tf.image.per_image_standardization` bounds the std of pixels of 0 to 255 below by 1/sqrt(N) for
images of N values; here 1/N is added to the variance. This, and the 1e-6 or 1e-7 that other
programs add to the std, differ only for images of nearly one colour.
"""


def least_variance(count: int) -> float:
    """Return the addend to the variance of an image of `count` values in [-1, 1]."""
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
"""The usual ranges by name."""


@dataclass(frozen=True, slots=True)
class RangeGuess:
    """The pixel range of a network, and how it was inferred."""

    preprocessing: Preprocessing | None
    """None if it cannot be inferred."""
    reason: str
    """A few words for a message, after a colon."""
    confident: bool
    """Whether it may be used without a warning."""
    rival: Preprocessing | None = None
    """A range that fits nearly as well."""

    def notes(self, path: Path, requested: Preprocessing | None) -> tuple[str, ...]:
        """Say which pixels a network is given by default, or why others look right."""
        found = self.preprocessing
        if requested is None and found is None:
            return (
                f"'{path}' is given pixels as {PIXELS}, as {self.reason}; --input-range says which"
                " it takes",
            )
        if requested is None and self.rival is None:
            doubt = "" if self.confident else "; --input-range says otherwise"
            return (f"'{path}' is given pixels as {found}: {self.reason}{doubt}",)
        if self.confident and found != requested:
            return (
                f"--input-range {requested}: '{path}' looks as if it takes {found}: {self.reason}",
            )
        return ()

    def doubts(self, path: Path, requested: Preprocessing | None) -> tuple[str, ...]:
        """Say that two ranges are close, with the two commands that settle which one it is."""
        found, rival = self.preprocessing, self.rival
        if requested is not None or found is None or rival is None:
            return ()
        command = f"kextract evaluate {shlex.quote(one_line(path))} -d DATA --input-range"
        return (
            f"'{path}' may be given the wrong pixels: {self.reason}, and {rival} nearly as well;"
            f" {found} is taken. Labelled images of its kind settle it: {command}{found.typed} and"
            f" {command}{rival.typed}",
        )


def parse_input_range(text: str) -> Preprocessing:
    """Parse `--input-range`: a name of `NAMED`, `LOW,HIGH`, or the path of a TOML file.

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


def recorded_range(text: str) -> Preprocessing | None:
    """Read what `Preprocessing.recorded` wrote, in an untrusted file; None for anything else."""
    try:
        fields = json.loads(text)
        low, high = (_ends(fields.pop(name)) for name in ("low", "high"))
        found = Preprocessing(low, high, **fields)
        scales = found.scale if isinstance(found.scale, tuple) else (found.scale,)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None
    if not all(type(value) is bool for value in (found.reverse, found.per_image)):
        return None
    rising = all(math.isfinite(scale) and scale > 0 for scale in scales)
    return found if rising and len(scales) in (1, 3) else None


def _ends(value: Any) -> Channels:
    return tuple(map(float, value)) if isinstance(value, list) else float(value)


def _from_file(path: Path) -> Preprocessing:
    """Read `range`, `mean`, `std` and `channels` (rgb or bgr) from a TOML file.

    `deviation` is the former name of `std`.
    """
    where = f"{_FLAG} {path}"
    try:
        with path.open("rb") as file:
            fields = tomllib.loads(decoded(file.read(_MAX_FILE_BYTES)))
    except OSError as error:
        raise RequestError(f"{where}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RequestError(f"{where}: is not TOML ({' '.join(str(error).split())})") from error
    fields = {"std" if name == "deviation" else name: value for name, value in fields.items()}
    unknown = sorted(set(fields) - {"range", "mean", "std", "channels"})
    if unknown:
        raise RequestError(
            f"{where}: '{unknown[0]}' is unknown; known are range, mean, std and channels"
        )
    order = fields.get("channels", "rgb")
    if order not in ("rgb", "bgr"):
        raise RequestError(f"{where}: channels must be 'rgb' or 'bgr', found '{order}'")
    black, white = _numbers(fields, "range", [0.0, 1.0], where)
    mean = _numbers(fields, "mean", [0.0], where)
    std = _numbers(fields, "std", [1.0], where)
    longest = max(len(mean), len(std))
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, longest):
            raise RequestError(f"{where}: {name} must have one number, or one per channel")
    if min(std) <= 0 or black >= white:
        raise RequestError(f"{where}: std must be positive, and range [LOW, HIGH] rise")
    found = standardized(
        mean * (longest // len(mean)),
        std * (longest // len(std)),
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
