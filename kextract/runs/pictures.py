"""Pictures of made-up images: a row for each class, in a PNG file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.image_files import png_bytes
from kextract.datasets.images import scale
from kextract.errors import RequestError
from kextract.records import EpochRecord, Event, Picture
from kextract.reports import class_grid
from kextract.runs.outputs import picture_file
from kextract.storage import atomic_write

if TYPE_CHECKING:
    from kextract.methods.base import Classifier, Method

COLUMNS = 10
"""Images of a class in the picture of an epoch."""
LOOKED_AT = 1024
"""Images that those are chosen from."""
ZOOM = 2


def write_picture(path: Path, grid: NDArray[np.uint8], *, overwrite: bool) -> None:
    """Write uint8 (h, w, 1 or 3) as PNG, whole or not at all. Raises StorageError."""
    with atomic_write(path, overwrite) as temporary:
        temporary.write_bytes(png_bytes(grid))


def check_pictures(output: Path, every: int, epochs: int) -> None:
    """Refuse, before the work begins, to replace the pictures of an earlier run."""
    for epoch in range(every, epochs + 1, every) if every else ():
        path = picture_file(output, epoch)
        if os.path.lexists(path):
            raise RequestError(f"--save-images: '{path}' exists already; pass --overwrite")


def with_pictures(
    events: Iterator[Event],
    method: "Method",
    classifier: "Classifier",
    output: Path | None,
    every: int,
) -> Iterator[Event]:
    """Pass events on, and before every so many epochs' records a `Picture` of the method's images.

    Each image is in the row of the class that the teacher predicts. With an `output` the pictures
    are written beside it. What is drawn has no part in the run: the method is not changed.
    """
    for event in events:
        if isinstance(event, EpochRecord) and event.epoch and event.epoch % every == 0:
            images = method.samples(LOOKED_AT)
            logits = np.asarray(classifier(scale(images)))
            grid = class_grid(images, logits.argmax(axis=-1), logits.shape[-1], COLUMNS, zoom=ZOOM)
            if output is not None:
                write_picture(picture_file(output, event.epoch), grid, overwrite=True)
            yield Picture(event.epoch, grid)
        yield event
