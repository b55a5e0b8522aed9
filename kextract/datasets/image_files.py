"""Image files: what each declares is checked before anything of it is decoded."""

import hashlib
import io
import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kextract.datasets.image_headers import FORMATS, Declared, check_side, look_at
from kextract.datasets.images import MAX_SIDE, Pixels, fitted
from kextract.datasets.pixel_scale import PLAUSIBLE, UNIT, PixelRange, pixel_scale
from kextract.errors import DatasetError
from kextract.text import counted, one_line

SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif"),
    *(".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
)
MAX_FILE_BYTES = 128 << 20
"""Largest image file that is read: more than MAX_SIDE x MAX_SIDE of 16-bit colour takes."""

# Pillow logs some damage, which Python would write to stderr if nothing handled it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_STRIP = 256
"""Rows that are converted at once."""


@dataclass(slots=True)
class Seen:
    """What was met in decoding some image files."""

    brightest: int = 0
    """Of images of up to 8 bits, 0 to 255."""
    brightest_deep: int | None = None
    """Of grey images of 16 bits, 0 to 65535; None without any."""
    counts: Counter[str] = field(default_factory=Counter)
    """Files of which something was changed that is worth a line, by what was done."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file whose header was found to be harmless."""

    path: Path
    height: int
    """Of the picture as it is seen: turned as its EXIF says."""
    width: int
    gray: bool

    def decode(self, seen: Seen | None = None) -> Pixels:
        """Decode to uint8 (h, w, 1), or (h, w, 3) of a colour image; raises DatasetError.

        Of 16 bits the upper 8 are kept; what is transparent is laid on white; of several pictures
        the first is taken, turned as its EXIF orientation says. `seen` takes note of it.
        """
        seen = seen or Seen()
        with _opened(self.path) as (image, declared):
            pixels = np.empty((image.height, image.width, 1 if self.gray else 3), np.uint8)
            transparent = False
            # In strips, or what Pillow copies would add up to several times the image.
            for top in range(0, image.height, _STRIP):
                bottom = min(top + _STRIP, image.height)
                part = image.crop((0, top, image.width, bottom))
                if image.mode.startswith("I"):
                    strip = np.asarray(part)  # of 16 bits, which Pillow would clip
                    seen.brightest_deep = max(seen.brightest_deep or 0, int(strip.max()))
                    strip = strip >> 8
                elif part.has_transparency_data:
                    strip, found = _on_white(part, gray=self.gray)
                    transparent |= found
                else:
                    strip = np.asarray(part.convert("L" if self.gray else "RGB"))
                pixels[top:bottom] = strip.reshape(bottom - top, image.width, -1)
            if not image.mode.startswith("I"):
                seen.brightest = max(seen.brightest, int(pixels.max()))
            seen.counts["with transparent parts laid on white"] += transparent
            seen.counts["with several pictures, of which the first is taken"] += declared.several
            return np.ascontiguousarray(_TURNS[declared.orientation](pixels))


_TURNS: Mapping[int, Callable[[Pixels], Pixels]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}
"""What makes a picture upright, by its EXIF orientation."""


def is_image_name(name: str) -> bool:
    """Tell whether a file of this name is taken for an image; hidden ones are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def open_image(path: Path) -> ImageFile:
    """Read and check what an image file declares; raises DatasetError, which names it."""
    with _opened(path) as (image, declared):
        height, width = image.height, image.width
        if declared.orientation > 4:
            height, width = width, height
        return ImageFile(path, height, width, image.mode in _GRAY_MODES)


def decode_files(
    where: str,
    parts: Mapping[str, Sequence[ImageFile]],
    shape: tuple[int, int, int],
    say: Callable[[str], object],
) -> dict[str, Pixels]:
    """Decode files, in parts such as `train` and `test`, to uint8 (n, *shape) each.

    Which number is white is decided for all of them together, by `pixel_scale`. `say` is given what
    is worth a line: that, and what was done to files to read them. Raises DatasetError.
    """
    seen = {name: Seen() for name in parts}
    decoded = {name: _decoded(files, shape, 1, seen[name]) for name, files in parts.items()}
    deep = [found.brightest_deep for found in seen.values() if found.brightest_deep is not None]
    if deep and max(deep) < PLAUSIBLE * 65535:
        raise DatasetError(
            f"{where}: expected 65535 for white in images of 16 bits, found none above {max(deep)};"
            " rescale them"
        )
    ranges = {
        name: PixelRange("u", 0, max(found.brightest, (found.brightest_deep or 0) >> 8))
        for name, found in seen.items()
        if len(parts[name])
    }
    scale, notes = pixel_scale(where, ranges)
    if scale is UNIT:
        decoded = {name: _decoded(files, shape, 255, Seen()) for name, files in parts.items()}
    counts = sum((found.counts for found in seen.values()), Counter[str]())
    for what, count in counts.items():
        say(f"{where}: {counted(count, 'image')} {what}")
    for note in notes:
        say(note)
    return decoded


def _decoded(
    files: Sequence[ImageFile], shape: tuple[int, int, int], factor: int, seen: Seen
) -> Pixels:
    images = np.empty((len(files), *shape), np.uint8)
    for target, file in zip(images, files, strict=True):
        image = file.decode(seen)[None]
        target[...] = fitted(image if factor == 1 else image * np.uint8(factor), shape)[0]
    return images


def png_bytes(image: Pixels) -> bytes:
    """Encode uint8 (h, w, 1 or 3) as PNG; the same pixels give the same bytes."""
    stream = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, Declared]]:
    """Open an image of a harmless size; what goes wrong in the block is damage of the file."""
    data = _bytes(path)
    try:
        declared = look_at(data)
    except ValueError as error:
        raise _refusal(path, str(error)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(declared.data), formats=FORMATS) as image:
                _check(path, image)
                yield image, declared
    except DatasetError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _refusal(path, f"far more pixels declared than {MAX_SIDE}x{MAX_SIDE}") from error
    except Exception as error:  # Pillow does not say what its readers raise at damage
        raise _refusal(path, "data that cannot be decoded") from error


def _check(path: Path, image: Image.Image) -> None:
    """Refuse by name what is too large, and pixels that could mean anything."""
    try:
        check_side(image.width, image.height)
    except ValueError as error:
        raise _refusal(path, str(error)) from error
    if image.mode not in (*_GRAY_MODES, *_COLOUR_MODES):
        raise _refusal(path, f"pixels of the kind {image.mode}")
    if image.mode.startswith("I") and image.has_transparency_data:
        raise _refusal(path, "16 bits with a transparent shade")


def _on_white(image: Image.Image, *, gray: bool) -> tuple[NDArray[np.uint8], bool]:
    """Lay an image on white, rounding to the nearest; say whether any of it is transparent."""
    layers = np.asarray(image.convert("LA" if gray else "RGBA")).astype(np.uint32)
    colours, alpha = layers[..., :-1], layers[..., -1:]
    mixed = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8), bool(alpha.min() < 255)


def _refusal(path: Path, found: str) -> DatasetError:
    return DatasetError(
        f"{one_line(path)}: expected an image, found {found}; repair it, save it as PNG or leave it"
        " out"
    )


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


class StreamedImages:
    """Files of images of any size, in the place of an array uint8 (n, h, w, c) of them all."""

    def __init__(self, paths: Sequence[Path], shape: tuple[int, int, int]) -> None:
        """Take the files, and the shape that each image is brought to, see `fitted`."""
        self._paths, self._shape = paths, shape

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, indices: NDArray[np.integer]) -> Pixels:
        """Read some of the images, uint8 (len(indices), h, w, c).

        Raises DatasetError, which names the file, for one that cannot be decoded.
        """
        images = np.empty((len(indices), *self._shape), np.uint8)
        for target, index in zip(images, indices, strict=True):
            target[...] = fitted(open_image(self._paths[index]).decode()[None], self._shape)[0]
        return images

    def digest(self) -> NDArray[np.uint8]:
        """Return what identifies these files without reading them all, uint8 (32,).

        The SHA-256 of their sizes in bytes and of their names below the folder that has them all.
        """
        folder = os.path.commonpath(self._paths)
        seen = hashlib.sha256()
        for path in self._paths:
            name = os.fsencode(os.path.relpath(path, folder))
            seen.update(b"%d %d %b\0" % (path.stat().st_size, len(name), name))
        return np.frombuffer(seen.digest(), np.uint8)


StoredPixels = Pixels | StreamedImages
"""Images (n, h, w, c), all in memory or read when they are wanted."""
