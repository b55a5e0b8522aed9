"""Writing a model to a file, and getting it back."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kextract.errors import CheckpointError, NonFiniteError, Refused, RequestError, StorageError
from kextract.foreign.keras import build_described
from kextract.foreign.keras.description import clean_model
from kextract.hdf5.safe_hdf5 import CheckedFile, OpenFile, open_checked
from kextract.hdf5.weights import (
    GROUP,
    TensorSpec,
    is_legacy,
    legacy_names,
    read_legacy,
    read_tensors,
    sha256_of_tensors,
    specs_of,
    tensors_of,
    variables_by_path,
)
from kextract.models import model_spec
from kextract.storage.atomic import atomic_write
from kextract.storage.info import (
    OWN_ARCHITECTURE,
    CheckpointInfo,
    prepare,
    read_metadata,
    write_metadata,
)

if TYPE_CHECKING:
    import keras

_OPTIMIZER = "optimizer/"


def write_checkpoint(
    path: Path, model: "keras.Model", info: CheckpointInfo, *, overwrite: bool = False
) -> CheckpointInfo:
    """Write a built model and all there is to know about it; the file appears whole or not at all.

    Returns `info` as it is read back: with versions, date and hash filled in. The file is one that
    `keras.Model.load_weights` opens too. Raises StorageError where it cannot be written,
    RequestError where it exists without `overwrite`, NonFiniteError for weights that hold a NaN,
    ValueError or TypeError for an `info` that a checkpoint cannot hold.
    """
    tensors = tensors_of(model)
    for name, value in tensors.items():
        if value.dtype.kind != "f":
            raise ValueError(f"'{name}' is {value.dtype.name}; checkpoints hold floats only")
        if not np.isfinite(value).all():
            raise NonFiniteError(f"'{path}' was not written: '{name}' holds a NaN or an infinity")
    info = prepare(
        replace(
            info,
            architecture=described(model) if info.model == OWN_ARCHITECTURE else None,
            keras_version=version("keras"),
            tensorflow_version=version("tensorflow"),
            sha256=sha256_of_tensors(tensors),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
    image = _image(tensors, info)
    with atomic_write(path, overwrite) as temporary:
        temporary.write_bytes(image)
        _check_copy(path, temporary, tensors)
    return info


def described(model: "keras.Model") -> dict[str, Any]:
    """Return Keras's own description of a model, of its own layers only, as JSON can hold it.

    Raises RequestError for a model with layers that no checkpoint is read with.
    """
    import keras

    from kextract.models.cloning import plain

    description: dict[str, Any] = keras.saving.serialize_keras_object(plain(model))
    try:
        clean_model(json.loads(json.dumps(description)))
    except Refused as refused:
        raise RequestError(
            f"the model '{model.name}' is not written, its checkpoint could not be read: {refused}"
        ) from None
    return description


def read_info(where: Path | OpenFile) -> CheckpointInfo | None:
    """Read what a checkpoint says about its model; neither tensors nor TensorFlow are loaded.

    None for weights of another program (plain Keras, tf.keras 2), which say nothing. Raises
    CheckpointError for a file that is missing, damaged, unsafe or of a newer kextract.
    """
    with open_checked(where) as file:
        info = read_metadata(file)
        if info is None and not file.datasets:
            raise Refused("holds no weights")
        return info


def load_weights(where: Path | OpenFile, model: "keras.Model") -> str:
    """Fill a built model from a checkpoint, plain Keras weights or a tf.keras 2 file.

    Returns the SHA-256 over the tensors. Raises CheckpointError for a file that is missing,
    damaged, unsafe or of another architecture; the model is then as it was.
    """
    variables = variables_by_path(model)
    tensors, digest = read_weights(where, specs_of(variables), legacy_names(variables))
    for place, value in tensors.items():
        variables[place].assign(value)
    return digest


def read_weights(
    where: Path | OpenFile, expected: Mapping[str, TensorSpec], legacy: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], str]:
    """Read all tensors and their hash as `load_weights` does, but without a model.

    `expected` and the result are by path in a weights file, `legacy` maps the names of a tf.keras 2
    file to them. Raises CheckpointError.
    """
    with open_checked(where) as file:
        # First, so that a file of a newer kextract is called that and not one of another model.
        info = read_metadata(file)
        if is_legacy(file):
            tensors = read_legacy(file, expected, legacy)
        else:
            tensors = read_tensors(file, expected)
        digest = sha256_of_tensors(tensors)
        if (info.sha256 if info else _foreign_hash(file)) not in (None, digest):
            raise Refused("the tensors do not match the 'sha256' in the file")
        return tensors, digest


def _foreign_hash(file: CheckedFile) -> str | None:
    return file.text_attribute("sha256") if file.has_attribute("sha256") else None


def _image(tensors: Mapping[str, NDArray[Any]], info: CheckpointInfo) -> bytes:
    """Make the bytes of the file, in memory.

    HDF5 that cannot write to a disk (a full one) crashes the process later, whatever is caught
    here. Hence neither `model.save_weights` nor h5py gets to see the disk.
    """
    with h5py.File("image", "w", driver="core", backing_store=False) as file:
        for place, value in tensors.items():
            file[place] = value
        write_metadata(file, info)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _check_copy(path: Path, temporary: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Read the file back before it replaces the old one: lost training cannot be had again."""
    specs = {name: TensorSpec(value.dtype.name, value.shape) for name, value in tensors.items()}
    try:
        read_weights(temporary, specs, {})
    except CheckpointError as error:
        raise StorageError(f"cannot write '{path}': it does not read back ({error})") from error


def load_model(
    where: Path | OpenFile, info: CheckpointInfo, *, precision: str
) -> "tuple[keras.Model, str]":
    """Build the model that `info` describes and fill it from the file; give its hash, too.

    At this precision, where it is one of the registry.
    """
    if info.model == OWN_ARCHITECTURE:
        model = build_described(where, info.architecture)
        return model, load_weights(where, model)
    from kextract.models.architectures import build_model

    weight_decay = info.config.get("weight_decay", 1e-4)
    model = build_model(
        info.model,
        info.input_shape,
        info.classes,
        pooling=info.pooling if model_spec(info.model).has_pooling else None,
        weight_decay=float(weight_decay),
        precision=precision,
    )
    return model, load_weights(where, model)


def count_parameters(where: Path | OpenFile) -> int:
    """Count the numbers in a file's tensors, as `keras.Model.count_params` does of its model.

    The moving statistics of batch normalizations count too; no tensor is read. Raises
    CheckpointError.
    """
    with open_checked(where) as file:
        return sum(
            math.prod(file.shape(name))
            for name in file.datasets
            if not name.startswith((f"{GROUP}/", _OPTIMIZER))
        )
