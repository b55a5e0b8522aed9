"""The images a command needs, cut into the parts it needs them in."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.config import DistillConfig, Holdout
from kextract.config.training import EVENLY
from kextract.datasets.image_files import StoredPixels, StreamedImages
from kextract.datasets.images import ENOUGH_IMAGES, Dataset, Images, draw_evenly, split
from kextract.datasets.transfer_images import load_canvases, stream_transfer_images
from kextract.errors import CheckpointError, DatasetError, RequestError
from kextract.hdf5.weights import sha256_of_tensors
from kextract.methods import method_specs
from kextract.storage import CheckpointInfo
from kextract.storage.info import typed
from kextract.text import counted, dimensions, listed

if TYPE_CHECKING:
    from kextract.runs.opening import Teacher

TransferImages = Mapping[str, StoredPixels]
"""Images (n, h, w, c) by the name of the method that is taught with them."""


def cut(data: Dataset, part: str, holdout: Holdout) -> Images:
    """Return the test, validation or training images; raise DatasetError where there are none."""
    if part == "test":
        return _images(data, part, data.x_test, data.y_test)
    everything = _images(data, "training", data.x_train, data.y_train)
    used = _used(everything, holdout)
    training, validation = split(len(used), holdout.fraction, holdout.seed)
    chosen = used[validation if part == "validation" else training]
    return Images(everything.x[chosen], everything.y[chosen])


def _used(everything: Images, holdout: Holdout) -> NDArray[np.int64]:
    """Return the indices of the training images that are used, all without a limit."""
    count = len(everything.x)
    if holdout.limit is not None and holdout.drawing == EVENLY:
        return draw_evenly(everything.y, holdout.limit, holdout.seed)
    return np.arange(count if holdout.limit is None else min(holdout.limit, count))


def too_few_to_judge(validation: Images | None) -> tuple[str, ...]:
    """Say in one line that accuracies on so few validation images mean little; else nothing."""
    if validation is None or len(validation.x) >= ENOUGH_IMAGES:
        return ()
    count = len(validation.x)
    return (
        f"{count} validation image{'s are' if count > 1 else ' is'} too few to judge by: each moves"
        f" the accuracy by {100 / count:.1f} points",
    )


def classes_left_out(training: Images, data: Dataset, limit: int | None) -> tuple[str, ...]:
    """Say in one line which classes a `--limit` leaves without a training image; else nothing."""
    missing = np.setdiff1d(np.arange(data.classes), training.y)
    if limit is None or not len(missing):
        return ()
    names = listed([data.class_names[label] for label in missing])
    return (
        f"--limit {limit} leaves no training image of {counted(len(missing), 'class')}: {names}",
    )


def _images(data: Dataset, part: str, x: Any, y: Any) -> Images:
    if x is None or not len(x):
        raise DatasetError(f"data set '{data.name}' has no {part} images")
    return Images(x, y)


def holdout_of(config: Mapping[str, Any]) -> Holdout:
    """Read from a checkpoint's configuration which images were held out."""
    known = config.get("holdout")
    if not isinstance(known, Mapping):
        return Holdout()
    try:
        found: Holdout = typed(Holdout, dict(known), "holdout")
        return found
    except (ValueError, RequestError) as error:
        raise CheckpointError(
            f"the checkpoint does not say which images it held out: its 'holdout' is {dict(known)}"
        ) from error


def check_fits(data: Dataset, info: CheckpointInfo, path: Path) -> None:
    """Refuse images whose shape is not the model's."""
    if data.input_shape != info.input_shape:
        raise DatasetError(
            f"data set '{data.name}' has images of {dimensions(data.input_shape)}, but '{path}'"
            f" takes {dimensions(info.input_shape)}: choose another --dataset"
        )


def check_shift(shift: int, input_shape: tuple[int, int, int]) -> None:
    """Refuse to shift images out of sight."""
    if shift >= min(input_shape[:2]):
        raise RequestError(
            f"--shift {shift}: must be smaller than the images, which are"
            f" {dimensions(input_shape[:2])}"
        )


def transfer_images(
    config: DistillConfig,
    images: str | None,
    opened: "Teacher",
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
