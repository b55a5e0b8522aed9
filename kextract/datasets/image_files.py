"""PNG and JPEG files: what each declares is checked before anything of it is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from kextract.datasets.dataset import MAX_SIDE
from kextract.datasets.images import Pixels
from kextract.errors import DatasetError
from kextract.text import one_line

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_FILE_BYTES = 128 << 20
"""Largest image file that is read: more than MAX_SIDE x MAX_SIDE of 16-bit colour takes."""
MAX_SCANS = 50
"""Most scans of a JPEG, each of which may go over all pixels; usual are 1 and 10."""

_FORMATS = ("PNG", "JPEG")
_GRAY_MODES = ("1", "L", "LA", "I", "I;16")
_JPEG_START, _JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
_STRIP = 256
"""Rows that are converted at once."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file whose header was found to be harmless."""

    path: Path
    height: int
    width: int
    gray: bool

    def decode(self) -> Pixels:
        """Decode to uint8 (h, w, 1), or (h, w, 3) of a colour image; raises DatasetError.

        Of 16 bits the upper 8 are kept; transparency is left out, not laid on a ground.
        """
        pixels = np.empty((self.height, self.width, 1 if self.gray else 3), np.uint8)
        with _opened(self.path) as image:
            # In strips, or what Pillow copies would add up to several times the image.
            for top in range(0, self.height, _STRIP):
                bottom = min(top + _STRIP, self.height)
                strip = _bytes_of(image.crop((0, top, self.width, bottom)), gray=self.gray)
                pixels[top:bottom] = strip.reshape(bottom - top, self.width, -1)
        return pixels


def is_image_name(name: str) -> bool:
    """Tell whether a file of this name is taken for an image; hidden ones are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def open_image(path: Path) -> ImageFile:
    """Read and check what an image file declares; raises DatasetError, which names it."""
    with _opened(path) as image:
        return ImageFile(path, image.height, image.width, image.mode in _GRAY_MODES)


def png_bytes(image: Pixels) -> bytes:
    """Encode uint8 (h, w, 1 or 3) as PNG; the same pixels give the same bytes."""
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image of a harmless size; what goes wrong in the block is damage of the file."""
    data = _bytes(path)
    if data.startswith(_JPEG_START) and data.count(_JPEG_SCAN) > MAX_SCANS:
        raise _refusal(path, f"a JPEG of more than {MAX_SCANS} scans")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if max(image.size) > MAX_SIDE:
                    declared = f"{image.width}x{image.height} pixels declared"
                    raise _refusal(path, f"{declared}, at most {MAX_SIDE}x{MAX_SIDE} allowed")
                yield image
    except DatasetError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _refusal(path, f"far more pixels declared than {MAX_SIDE}x{MAX_SIDE}") from error
    except UnidentifiedImageError as error:
        raise _refusal(path, "neither PNG nor JPEG data") from error
    except Exception as error:  # Pillow does not say what its readers raise at damage
        raise _refusal(path, "data that cannot be decoded") from error


def _bytes_of(image: Image.Image, *, gray: bool) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip
        return (np.asarray(image) >> 8).astype(np.uint8)
    return np.asarray(image.convert("L" if gray else "RGB"))


def _refusal(path: Path, found: str) -> DatasetError:
    return DatasetError(f"{one_line(path)}: expected an image, found {found}; repair or remove it")


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES or not path.is_file():
            raise DatasetError(
                f"{one_line(path)}: expected an image file of at most {MAX_FILE_BYTES >> 20} MiB"
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{one_line(path)}: cannot be read ({one_line(error.strerror)})"
        ) from error
