"""What a classifier says of images that nobody has labelled."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kextract import runtime
from kextract.config.requests import PredictRequest
from kextract.datasets.class_names import numerals
from kextract.datasets.image_files import is_image_name
from kextract.datasets.image_folders import KINDS
from kextract.datasets.images import Pixels, fitted
from kextract.datasets.npz import read_images
from kextract.datasets.transfer_images import read_files, read_folder_images
from kextract.errors import DatasetError
from kextract.reports import Prediction
from kextract.runs.opening import check_options_are_used, open_teacher
from kextract.text import one_line


@dataclass(frozen=True)
class Predictions:
    """What was found, and what is worth a line beside it."""

    found: list[Prediction]
    names: tuple[str, ...]
    """Of the classes."""
    notes: tuple[str, ...]
    doubts: tuple[str, ...]
    """See `Teacher.doubts`."""


def run_prediction(request: PredictRequest) -> Predictions:
    """Classify images of any size, brought to the size that the network takes.

    Raises RequestError for a model or images that cannot be read.
    """
    runtime.limit_threads(request.machine.threads)
    opened = open_teacher(
        request.model_file,
        request.external,
        request.machine,
        answering=request.answering,
        dataset=request.dataset,
        data="unwanted",
        precision=request.precision,
    )
    check_options_are_used(request.external, opened, answering=request.answering)
    notes = list(opened.notes)
    files, pixels = _read(request.images, opened.info.input_shape, notes.append)
    runtime.start()
    from kextract.training.evaluation import log_softmax

    logits, _ = opened.logits(pixels, runtime.resolve_precision(request.precision))
    shares = np.exp(log_softmax(logits))
    classes = opened.info.classes
    names = opened.info.class_names or numerals(classes)
    found = [
        Prediction(file, label, names[label], float(row[label]), tuple(float(x) for x in row))
        for file, row, label in zip(files, shares, shares.argmax(axis=-1).tolist(), strict=True)
    ]
    return Predictions(found, names, tuple(notes), opened.doubts)


def _read(
    where: Path, shape: tuple[int, int, int], say: Callable[[str], object]
) -> tuple[list[str], Pixels]:
    """Read an image, the images in a folder or those in an .npz file, and name each."""
    if where.suffix.lower() == ".npz" and where.is_file():
        pixels = fitted(read_images(where, say), shape)
        return [str(place) for place in range(len(pixels))], pixels
    if where.is_dir():
        paths = read_folder_images(where, say)
        names = [str(path.relative_to(where)) for path in paths]
        return names, read_files(one_line(where), paths, shape, say)
    if where.is_file() and is_image_name(where.name):
        return [where.name], read_files(one_line(where), [where], shape, say)
    found = "another kind of file" if where.exists() else "nothing there"
    raise DatasetError(
        f"{one_line(where)}: expected an image, {KINDS}, a folder of them or an .npz file, found"
        f" {found}"
    )
