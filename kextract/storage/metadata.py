"""`CheckpointInfo` as attributes and data sets of an HDF5 file, there and back.

Short facts are root attributes, so that any HDF5 viewer shows them; texts and tables, which may
outgrow the 64 KiB that HDF5 allows an attribute, are data sets in the group `kextract`.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import h5py
import numpy as np

from kextract import __version__
from kextract.errors import Refused
from kextract.hdf5.safe_hdf5 import MAX_TEXT_BYTES, CheckedFile
from kextract.hdf5.weights import GROUP
from kextract.records import EpochRecord
from kextract.storage.info import MAX_EPOCHS, CheckpointInfo, check_info
from kextract.text import one_line, printable

SCHEMA = 1
MARK = "kextract_schema"

_TEXTS = (
    "kextract_version",
    "keras_version",
    "tensorflow_version",
    "created",
    "kind",
    "model",
    "pooling",
    "dataset",
    "preprocessing",
    "precision",
    "sha256",
)
_OPTIONAL_TEXTS = ("teacher", "teacher_sha256")
_NUMBERS = ("classes", "seed")
_HASH = "metadata_sha256"
_DOCUMENTS = ("config", "class_names", "test")
_ARCHITECTURE = "architecture"
_COLUMNS = ("loss", "accuracy", "train_loss", "agreement", "kl", "seconds")
_NEVER_ABSENT = "seconds"
_HISTORY = f"{GROUP}/history"
_MAX_DETAILS = 1_000_000


def plain(value: Any) -> Any:
    """Turn a value into what JSON gives back: lists, dictionaries, numbers, printable text.

    Raises TypeError for anything else and ValueError for a number that is not finite.
    """
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, str | PurePath):
        return one_line(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is not finite")
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def prepare(info: CheckpointInfo) -> CheckpointInfo:
    """Give `info` as it will be read back, with the version of this program filled in.

    Raises ValueError or TypeError, naming the field, for what a checkpoint may not hold.
    """
    document = _document(replace(info, schema=SCHEMA, kextract_version=__version__))
    prepared = _from_document(plain(document))
    check_info(prepared)
    return prepared


def write_metadata(file: h5py.File, info: CheckpointInfo) -> None:
    """Add what `prepare` returned to an open, writable file."""
    document = _document(info)
    file.attrs[MARK] = np.int64(info.schema)
    for name in _NUMBERS:
        file.attrs[name] = np.int64(document[name])
    file.attrs["flip"] = np.uint8(info.flip)
    file.attrs["input_shape"] = np.array(info.input_shape, np.int64)
    for name in (*_TEXTS, *_OPTIONAL_TEXTS):
        if document[name] is not None:
            file.attrs[name] = _text(name, document[name])
    file.attrs[_HASH] = _text(_HASH, _digest(document))
    group = file.create_group(GROUP)
    for name in (*_DOCUMENTS, _ARCHITECTURE):
        if name in document:
            group[name] = _text(name, _json(document[name]))
    _write_history(group.create_group("history"), info.history)


def read_metadata(file: CheckedFile) -> CheckpointInfo | None:
    """Read and check all of it; None where the file is not one of ours. Raises Refused."""
    if not file.has_attribute(MARK):
        if GROUP in file.groups:
            raise Refused(f"attribute '{MARK}' is missing")
        return None
    schema = int(file.attribute(MARK, "<i8"))
    if schema > SCHEMA:
        version = printable(file.text_attribute("kextract_version"))
        raise Refused(
            f"written by kextract {version} in format {schema}; "
            f"kextract {__version__} reads up to {SCHEMA}: update kextract"
        )
    if schema < 1:
        raise Refused(f"attribute '{MARK}' is {schema}")
    document = _read_document(file, schema)
    if _digest(document) != file.text_attribute(_HASH):
        raise Refused(f"what it says does not match its '{_HASH}'")
    if plain(document) != document:
        raise Refused("holds text with control characters")
    info = _from_document(document)
    check_info(info)
    return info


def _document(info: CheckpointInfo) -> dict[str, Any]:
    """Everything as one JSON object: this is what `metadata_sha256` is taken over."""
    names = (MARK, *_NUMBERS, *_TEXTS, *_OPTIONAL_TEXTS, "flip", "input_shape", *_DOCUMENTS)
    document = {name: getattr(info, "schema" if name == MARK else name) for name in names}
    document["input_shape"] = list(info.input_shape)
    document["class_names"] = list(info.class_names)
    document["config"], document["test"] = dict(info.config), dict(info.test)
    document["history"] = [row.to_dict() for row in info.history]
    if info.architecture is not None:
        document[_ARCHITECTURE] = dict(info.architecture)
    return document


def _from_document(document: Mapping[str, Any]) -> CheckpointInfo:
    fields = dict(document)
    fields["schema"] = fields.pop(MARK)
    kinds = {"config": dict, "test": dict, "class_names": list, _ARCHITECTURE: dict}
    for name, kind in kinds.items():
        if name in fields and not isinstance(fields[name], kind):
            raise Refused(f"'{GROUP}/{name}' is not a JSON {kind.__name__}")
    fields["input_shape"] = tuple(fields["input_shape"])
    fields["class_names"] = tuple(fields["class_names"])
    fields["history"] = tuple(EpochRecord(**row) for row in fields["history"])
    return CheckpointInfo(**fields)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(document).encode()).hexdigest()


def _text(name: str, text: str) -> Any:
    data = text.encode()
    if len(data) > MAX_TEXT_BYTES:
        raise ValueError(f"'{name}' is longer than {MAX_TEXT_BYTES} bytes")
    return np.array(data, h5py.string_dtype("utf-8", max(len(data), 1)))


def _read_document(file: CheckedFile, schema: int) -> dict[str, Any]:
    document: dict[str, Any] = {MARK: schema}
    for name in _NUMBERS:
        document[name] = int(file.attribute(name, "<i8"))
    document["input_shape"] = file.attribute("input_shape", "<i8", (3,)).tolist()
    document["flip"] = _read_flag(file, "flip")
    for name in _TEXTS:
        document[name] = file.text_attribute(name)
    for name in _OPTIONAL_TEXTS:
        document[name] = file.text_attribute(name) if file.has_attribute(name) else None
    for name in _DOCUMENTS:
        document[name] = _read_json(file, f"{GROUP}/{name}")
    if f"{GROUP}/{_ARCHITECTURE}" in file.datasets:
        document[_ARCHITECTURE] = _read_json(file, f"{GROUP}/{_ARCHITECTURE}")
    document["history"] = [row.to_dict() for row in _read_history(file)]
    return document


def _read_flag(file: CheckedFile, name: str) -> bool:
    value = int(file.attribute(name, "|u1"))
    if value > 1:
        raise Refused(f"attribute '{name}' is neither 0 nor 1")
    return bool(value)


def _read_json(file: CheckedFile, path: str) -> Any:
    try:
        return json.loads(file.text(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused(f"'{path}' is not JSON") from None


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _write_history(group: h5py.Group, history: tuple[EpochRecord, ...]) -> None:
    group["epoch"] = np.array([row.epoch for row in history], "<i8")
    for name in _COLUMNS:
        values = [getattr(row, name) for row in history]
        group[name] = np.array([math.nan if v is None else v for v in values], "<f8")
    names = sorted({name for row in history for name in row.details})
    if len(names) * len(history) > _MAX_DETAILS:
        raise ValueError(f"'history' has more than {_MAX_DETAILS} details")
    table = [[row.details.get(name, math.nan) for name in names] for row in history]
    group["detail_names"] = _text("detail_names", _json(names))
    group["details"] = np.array(table, "<f8").reshape(len(history), len(names))


def _read_history(file: CheckedFile) -> list[EpochRecord]:
    count = file.length(f"{_HISTORY}/epoch", MAX_EPOCHS)
    epochs = file.tensor(f"{_HISTORY}/epoch", "<i8", (count,)).tolist()
    columns: dict[str, list[float | None]] = {}
    for name in _COLUMNS:
        values = file.tensor(f"{_HISTORY}/{name}", "<f8", (count,)).tolist()
        hide = name != _NEVER_ABSENT
        columns[name] = [None if hide and math.isnan(v) else v for v in values]
    names = _read_json(file, f"{_HISTORY}/detail_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused(f"'{_HISTORY}/detail_names' is not a JSON list of names")
    if len(names) * count > _MAX_DETAILS:
        raise Refused(f"'{_HISTORY}/details' holds more than {_MAX_DETAILS} numbers")
    table = file.tensor(f"{_HISTORY}/details", "<f8", (count, len(names))).tolist()
    return [
        EpochRecord(
            epoch=epoch,
            details={k: v for k, v in zip(names, details, strict=True) if not math.isnan(v)},
            **{name: columns[name][row] for name in _COLUMNS},  # type: ignore[arg-type]
        )
        for row, (epoch, details) in enumerate(zip(epochs, table, strict=True))
    ]
