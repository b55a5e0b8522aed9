"""Pictures made small enough for a page that holds many of them."""

import io
import warnings
from pathlib import Path

from PIL import Image

from kextract.errors import RequestError

MOST_FILE_BYTES = 64 << 20
MOST_PIXELS = 40_000_000
_QUALITIES = (80, 50)


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
