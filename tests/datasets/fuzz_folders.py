"""Reads damaged folders of images: `python -m tests.datasets.fuzz_folders --count 2000`."""

import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from tests import fuzzing
from tests.datasets.fuzz_npz import read_one
from tests.datasets.mutations_of_images import BYTES, FOLDERS, large, write_sound_folder


class ImageFolders:
    """A `Family` of damaged folders of images: the bytes of their files, and the folders."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def get_ready(self) -> None:
        """Decode and resize some images, so that all that is imported late is there."""
        with tempfile.TemporaryDirectory() as name:
            write_sound_folder(Path(name))
            large(Path(name), Random(0))
            read_one(Path(name))

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        random = Random(f"{self._seed}-{number}")
        base, mutations = random.choices((("files", BYTES), ("folders", FOLDERS)), (2, 1))[0]
        mutation = random.choice(mutations)
        self._path = folder / "photos"
        shutil.rmtree(self._path, ignore_errors=True)
        write_sound_folder(self._path)
        mutation(self._path, random)
        return base, getattr(mutation, "__name__", "?")

    def read(self) -> tuple[str, str]:
        return read_one(self._path)

    def allowed(self, base: str) -> set[str]:
        # Other pixels in a file are simply other images.
        return {"refused", "other images"}


if __name__ == "__main__":
    sys.exit(fuzzing.main(ImageFolders, __doc__ or ""))
