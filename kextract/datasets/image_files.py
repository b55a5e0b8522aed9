"""PNG and JPEG files: what each declares is checked before anything of it is decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kextract import runtime
from kextract.datasets.dataset import Images
from kextract.datasets.image_headers import ImageHeader, image_header
from kextract.datasets.png_pixels import has_too_many_pixels
from kextract.errors import DatasetError
from kextract.text import one_line

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_FILE_BYTES = 128 << 20
"""Largest image file that is read: more than MAX_SIDE x MAX_SIDE of 16-bit colour takes."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file whose header was found to be harmless."""

    path: Path
    header: ImageHeader

    def decode(self, channels: int) -> Images:
        """Decode to uint8 (h, w, channels), channels 1 or 3; raises DatasetError for damage."""
        runtime.start()
        import tensorflow as tf

        decoders: dict[str, Any] = {"png": tf.io.decode_png, "jpeg": tf.io.decode_jpeg}
        data = _bytes(self.path)
        try:
            if self.header.kind == "png" and has_too_many_pixels(data):
                raise ValueError("more pixels than declared")
            image = decoders[self.header.kind](data, channels=channels)
        except (tf.errors.OpError, ValueError) as error:
            raise DatasetError(
                f"{one_line(self.path)}: expected an image, found data that cannot be decoded; "
                "repair or remove it"
            ) from error
        pixels: Images = image.numpy()
        return pixels


def is_image_name(name: str) -> bool:
    """Tell whether a file of this name is taken for an image; hidden ones are not."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def open_image(path: Path) -> ImageFile:
    """Read and check what an image file declares; raises DatasetError, which names it."""
    try:
        return ImageFile(path, image_header(_bytes(path)))
    except ValueError as error:
        raise DatasetError(
            f"{one_line(path)}: expected an image, found {error}; repair or remove it"
        ) from error


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
