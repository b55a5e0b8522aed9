"""A checkpoint that a command is about: what it is, and the images to measure it on."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.datasets.dataset import Dataset
from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError, RequestError
from kextract.models import check_input_shape
from kextract.models.input_range import PIXELS, InputRange
from kextract.runs.parts import check_fits
from kextract.storage import CheckpointInfo, model_sha256, read_info
from kextract.storage.archive import is_archive, load_archive
from kextract.storage.info import NO_DATASET, OWN_ARCHITECTURE
from kextract.storage.loading import foreign_info, load_model

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Subject:
    """A checkpoint, and a data set that fits it; none where it cannot be had."""

    path: Path
    info: CheckpointInfo
    data: Dataset | None
    missing: str = ""
    """Why there is no data set."""
    input_range: InputRange | None = None
    """What its network takes; None for a checkpoint of ours, which says so itself."""
    archive: "tuple[keras.Model, str] | None" = None
    """The model and its hash where the file holds a whole Keras model."""

    def load(self, precision: str) -> "tuple[keras.Model, str]":
        """Give the model, which maps images in [-1, 1] to logits, and the hash over its tensors."""
        if self.archive:
            return self.archive
        model = load_model(self.path, self.info, precision=precision)
        digest = model_sha256(model)
        if self.input_range not in (None, PIXELS):
            from kextract.models.adapter import adapt

            shape = self.info.input_shape
            model = adapt(model, shape, head="logits", input_range=self.input_range)
        return model, digest


def open_subject(
    path: Path,
    *,
    model: str | None,
    pooling: str | None,
    dataset: str | None,
    data_dir: Path | None,
    needs_data: bool,
    input_range: InputRange | None = None,
    precision: str = "float32",
) -> Subject:
    """Read what a checkpoint is and load the data set it goes with.

    A file that does not say what it is needs `model` and `dataset`; one that holds a whole Keras
    model, at most `dataset`. Neither says which `input_range` it takes. Without `needs_data`, a
    data set that nobody asked for and that cannot be had is left out. `precision` is that of a
    Keras model, which is built at once.
    """
    if is_archive(path):
        return _open_archive(
            path, model, dataset, data_dir, needs_data, input_range or PIXELS, precision
        )
    info = read_info(path)
    if info is None:
        if dataset is None:
            raise _nameless(path)
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
        return Subject(path, info, data, input_range=input_range or PIXELS)
    if model not in (None, info.model):
        raise RequestError(f"--model {model}: '{path}' holds a '{info.model}'; leave --model out")
    if dataset is None and info.dataset == NO_DATASET:
        if needs_data:
            raise _nameless(path)
        return Subject(path, info, None, str(_nameless(path)))
    try:
        data = load_dataset(dataset or info.dataset, data_dir)
    except DatasetError as error:
        if dataset is not None or needs_data:
            raise
        return Subject(path, info, None, str(error))
    check_fits(data, info, path)
    return Subject(path, info, data)


def check_range_is_used(input_range: InputRange | None, *subjects: Subject) -> None:
    """Refuse an `--input-range` where every file says by itself what it takes."""
    if input_range is not None and all(subject.input_range is None for subject in subjects):
        raise RequestError(
            f"--input-range {input_range}: '{subjects[0].path}' says itself that it takes -1,1;"
            " leave --input-range out"
        )


def _open_archive(
    path: Path,
    model: str | None,
    dataset: str | None,
    data_dir: Path | None,
    needs_data: bool,
    input_range: InputRange,
    precision: str,
) -> Subject:
    if model is not None:
        raise RequestError(f"--model {model}: '{path}' holds a whole model; leave --model out")
    if dataset is None and needs_data:
        raise _nameless(path)
    data = load_dataset(dataset, data_dir) if dataset is not None else None
    network, about = load_archive(path, input_range=input_range, precision=precision)
    check_input_shape(about.input_shape)
    named = data is not None and data.classes == about.classes
    info = CheckpointInfo(
        kind="teacher",
        model=OWN_ARCHITECTURE,
        pooling="none",
        input_shape=about.input_shape,
        classes=about.classes,
        dataset=data.name if data else NO_DATASET,
        class_names=data.class_names if data and named else (),
        flip=data.flip if data else False,
        seed=0,
        precision="float32",
        config={},
    )
    if data is not None:
        check_fits(data, info, path)
    missing = "" if data else str(_nameless(path))
    archive = (network, about.sha256)
    return Subject(path, info, data, missing, input_range=input_range, archive=archive)


def _nameless(path: Path) -> RequestError:
    return RequestError(f"'{path}' does not say which images it is for: name them with --dataset")
