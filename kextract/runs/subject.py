"""A checkpoint that a command is about: what it is, and the images to measure it on."""

from dataclasses import dataclass
from pathlib import Path

from kextract.datasets.dataset import Dataset
from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError, RequestError
from kextract.runs.parts import check_fits
from kextract.storage import CheckpointInfo, read_info
from kextract.storage.loading import foreign_info


@dataclass(frozen=True)
class Subject:
    """A checkpoint, and a data set that fits it; none where it cannot be had."""

    path: Path
    info: CheckpointInfo
    data: Dataset | None
    missing: str = ""
    """Why there is no data set."""


def open_subject(
    path: Path,
    *,
    model: str | None,
    pooling: str | None,
    dataset: str | None,
    data_dir: Path | None,
    needs_data: bool,
) -> Subject:
    """Read what a checkpoint is and load the data set it goes with.

    A file that does not say what it is needs `model` and `dataset`. Without `needs_data`, a data
    set that nobody asked for and that cannot be had is left out.
    """
    info = read_info(path)
    if info is None:
        if dataset is None:
            raise RequestError(
                f"'{path}' does not say which images it is for: name them with --dataset"
            )
        data = load_dataset(dataset, data_dir)
        info = foreign_info(
            path,
            model,
            pooling,
            dataset=data.name,
            input_shape=data.input_shape,
            classes=data.classes,
            class_names=data.class_names,
            flip=data.flip,
        )
        return Subject(path, info, data)
    if model not in (None, info.model):
        raise RequestError(f"--model {model}: '{path}' holds a '{info.model}'; leave --model out")
    try:
        data = load_dataset(dataset or info.dataset, data_dir)
    except DatasetError as error:
        if dataset is not None or needs_data:
            raise
        return Subject(path, info, None, str(error))
    check_fits(data, info, path)
    return Subject(path, info, data)
