"""The images that are given to a method, before the work begins."""

from collections.abc import Mapping
from pathlib import Path

from kextract.config import DistillConfig, Holdout
from kextract.datasets.image_files import StoredPixels, StreamedImages
from kextract.datasets.transfer_images import load_canvases, stream_transfer_images
from kextract.errors import RequestError
from kextract.hdf5.weights import sha256_of_tensors
from kextract.methods import method_specs
from kextract.runs.opening import Teacher
from kextract.runs.parts import cut

TransferImages = Mapping[str, StoredPixels]
"""Images (n, h, w, c) by the name of the method that is taught with them."""


def transfer_images(
    config: DistillConfig,
    images: str | None,
    opened: Teacher,
    holdout: Holdout,
    data_dir: Path | None,
) -> tuple[TransferImages, tuple[str, ...]]:
    """Load the images that methods are taught with, as large and as colourful as the teacher's.

    Returns what is worth a line about them, too.
    """
    notes: list[str] = []
    found: dict[str, StoredPixels] = {}
    for name, spec in method_specs(config).items():
        if spec.images == "own":
            if opened.data is None:
                flag = "--mix" if name == config.mix else "--method"
                raise RequestError(f"{flag} {name}: needs the teacher's images: {opened.missing}")
            found[name] = cut(opened.data, "train", holdout).x
        elif spec.images == "given" and images is not None:
            found[name] = stream_transfer_images(
                images, data_dir, opened.info.input_shape, notes.append
            )
        elif spec.images == "canvases" and images is not None:
            found[name] = load_canvases(images, data_dir, opened.info.input_shape, notes.append)
    return found, tuple(dict.fromkeys(notes))


def transfer_images_sha256(images: TransferImages) -> str | None:
    """Hash what a student is taught with: a run on others is another run. None for nothing."""
    known = {
        name: given.digest() if isinstance(given, StreamedImages) else given
        for name, given in images.items()
    }
    return sha256_of_tensors(known) if known else None
