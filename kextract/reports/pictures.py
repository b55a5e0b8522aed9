"""Pictures to be looked at: many small images in a grid, and large files made small for a page."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kextract.datasets.images import Pixels
from kextract.errors import RequestError

_BACKGROUND = 255


MOST_FILE_BYTES = 64 << 20
MOST_PIXELS = 40_000_000
_QUALITIES = (80, 50)


def image_grid(images: Pixels, columns: int, gap: int = 2, zoom: int = 1) -> Pixels:
    """Lay images, uint8 (n, h, w, c), out row by row on white: uint8 (height, width, c).

    `gap` is in pixels of the result, between images only; `zoom` repeats each pixel.
    """
    pixels = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, height, width, channels = pixels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    grid = np.full(shape, _BACKGROUND, np.uint8)
    for index, image in enumerate(pixels):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def class_grid(
    images: Pixels,
    labels: NDArray[np.integer[Any]],
    classes: int,
    columns: int,
    gap: int = 2,
    zoom: int = 1,
) -> Pixels:
    """Lay images (n, h, w, c) out with a row for each class, the first `columns` of each.

    `labels` (n,) are from 0 to `classes` - 1. Where a class has fewer images the row stays white.
    See `image_grid` for the rest.
    """
    cells = np.full((classes, columns, *images.shape[1:]), _BACKGROUND, np.uint8)
    for label, row in enumerate(cells):
        chosen = images[labels == label][:columns]
        row[: len(chosen)] = chosen
    return image_grid(cells.reshape(-1, *images.shape[1:]), columns, gap, zoom)


def fitted(path: Path, most_bytes: int) -> tuple[bytes, str]:
    """Read a PNG file and give it in at most about so many bytes, and as what: "png" or "webp".

    Where it does not fit it loses detail first and then size. Raises RequestError for a file that
    cannot be read or declares more than 40 million pixels.
    """
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise ValueError(f"it has more than {MOST_FILE_BYTES >> 20} MiB")
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _opened(content)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RequestError(f"'{path}': is not a picture that can be shown ({error})") from error
    if len(content) <= most_bytes:
        return content, "png"
    while True:
        for quality in _QUALITIES:
            stream = io.BytesIO()
            image.save(stream, "WEBP", quality=quality, method=1)
            if stream.tell() <= most_bytes or min(image.size) < 64:
                return stream.getvalue(), "webp"
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it declares {image.width}x{image.height} pixels")
        return image.convert("RGB")
