"""What reading a network of another program gives, whatever its kind of file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.errors import (
    CheckpointError,
    NotRead,
    Refused,
    RequestError,
    Unclear,
    UnsupportedOperatorError,
)
from kextract.models.axes import Shape, image_shape
from kextract.models.heads import SeveralOutputsError

if TYPE_CHECKING:
    import keras

MAX_SIDE = 1 << 14


@dataclass(frozen=True, kw_only=True)
class ReadNetwork:
    """A network read from a file of another program."""

    model: "keras.Model"
    """Maps float32 images to (n, k). Its input is (n, h, w, c) where the file takes images by
    channels, whichever come first there, and as in the file where that has other axes."""
    input_shape: Shape
    """Height, width and channels of one image."""
    numbers: str
    """What the file's input consists of, such as `float32` or `uint8`."""
    input_ends: tuple[float, float] | None = None
    """What the model takes for the least and the largest integer, where those of the file's input
    have a scale: black and white, if nothing else is said. None where numbers stand for
    themselves."""
    head: str
    """What the file's network ends in: `softmax` or `sigmoid`, which the model has not; `logits`;
    or `unknown`, where outputs have to tell."""
    classes: int
    """Numbers per image in the output; at least 1."""
    output_name: str
    notes: tuple[str, ...]
    """What a user should know, each a line."""


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into one line that names it."""
    try:
        yield
    except NotRead as error:
        raise UnsupportedOperatorError(f"'{path}': {error}") from error
    except SeveralOutputsError as error:
        raise SeveralOutputsError(f"'{path}' {error}", error.sizes) from error
    except Unclear as error:
        raise RequestError(f"'{path}': {error}") from error
    except Refused as error:
        raise CheckpointError(f"'{path}': {error}") from error
    except OSError as error:
        raise CheckpointError(f"'{path}': cannot be read ({error.strerror})") from error
    except MemoryError as error:
        raise CheckpointError(f"'{path}': is too large for this machine's memory") from error


def sizes_of(
    dims: Sequence[int | None], channels_first: bool, given: Shape | None
) -> tuple[tuple[int, ...], Shape]:
    """Give the input's axes, a batch of one first, and the shape (h, w, c) of an image."""
    if not 2 <= len(dims) <= 4:
        raise Refused(f"takes an input of {len(dims)} axes; a classifier of images has 2 to 4")
    if len(dims) == 3 and dims[0] == 3:
        found = " x ".join(map(str, dims))
        raise Refused(
            f"takes an input of {found}, without an axis for the batch: export it with one"
        )
    axes = dims[1:]
    if given is not None:
        height, width, channels = given
        if not all(0 < size <= MAX_SIDE for size in given):
            raise Unclear(f"--input-shape {_text(given)}: sizes are 1 to {MAX_SIDE}")
        wanted = {
            3: (channels, height, width) if channels_first else given,
            2: (height, width),
            1: (height * width * channels,),
        }[len(axes)]
        fits = len(axes) != 2 or channels == 1
        if not fits or any(
            size not in (None, want) for size, want in zip(axes, wanted, strict=True)
        ):
            found = " x ".join("any" if size is None else str(size) for size in axes)
            raise Unclear(f"--input-shape {_text(given)} (HEIGHT,WIDTH,CHANNELS): it takes {found}")
        return (1, *wanted), given
    known = tuple(size for size in axes if size is not None)
    if len(known) < len(axes):
        raise Unclear(
            "leaves the size of its images open: pass --input-shape HEIGHT,WIDTH,CHANNELS, such as"
            " --input-shape 224,224,3"
        )
    if len(known) > 1 and max(known) > MAX_SIDE:
        raise Refused(f"takes images of {_text(known)}; sides are at most {MAX_SIDE}")
    if len(known) == 3:
        first, second, third = known
        return (1, *known), (second, third, first) if channels_first else (first, second, third)
    shape = image_shape(known)
    if shape is None:
        raise Unclear(
            f"takes rows of {_text(known)} numbers: pass --input-shape HEIGHT,WIDTH,CHANNELS"
        )
    return (1, *known), shape


def _text(sizes: tuple[int, ...]) -> str:
    return ",".join(map(str, sizes))
