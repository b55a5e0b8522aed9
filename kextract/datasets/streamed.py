"""Image files that are read when they are wanted, for folders that are larger than memory."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.image_files import open_image
from kextract.datasets.images import Pixels
from kextract.datasets.resizing import fitted


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
        """Return what tells these files from others without reading them all, uint8 (32,).

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
