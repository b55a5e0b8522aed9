"""What a checkpoint says about its model, everything but the tensors: checked, and in HDF5.

Short facts are root attributes, so that any HDF5 viewer shows them; texts and tables, which may
outgrow the 64 KiB that HDF5 allows an attribute, are data sets in the group `kextract`. Which a
fact is follows from the type of its field.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import h5py
import numpy as np

from kextract import __version__
from kextract.datasets.images import Holdout
from kextract.errors import CheckpointError, Refused
from kextract.hdf5.safe_hdf5 import MAX_TEXT_BYTES, CheckedFile
from kextract.hdf5.weights import GROUP
from kextract.models.heads import MAX_CLASSES
from kextract.records import EpochRecord, best_epoch
from kextract.text import one_line, printable

_WORDS = {
    bool: "true or false",
    float: "a finite number",
    int: "a whole number",
    str: "text",
    tuple: "a list of the right length",
}


def read_schema(file: CheckedFile, mark: str, newest: int, verb: str) -> int:
    """Read the version of a file's format. Raises Refused for one that is newer than `newest`."""
    schema = int(file.attribute(mark, "<i8"))
    if schema > newest:
        version = printable(file.text_attribute("kextract_version"))
        raise Refused(
            f"{verb} by kextract {version} in format {schema};"
            f" kextract {__version__} reads up to {newest}: update kextract"
        )
    if schema < 1:
        raise Refused(f"attribute '{mark}' is {schema}")
    return schema


def from_json(text: str | bytes, where: str) -> Any:
    """Read JSON, in which numbers are finite. Raises Refused."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused(f"'{where}' is not JSON") from None


def typed(kind: Any, value: Any, where: str) -> Any:
    """Return `value`, as JSON gives it, as the type `kind`: a dataclass, a tuple, a number, ...

    Numbers are finite. Raises ValueError, naming `where` in the file it is, for any other type.
    """
    args = get_args(kind)
    origin = get_origin(kind) or kind
    if origin is Any or (origin is float and _is_number(value)):
        return value
    if origin is UnionType:
        accepted = next((arg for arg in args if _fits(arg, value)), args[0])
        return typed(accepted, value, where)
    if origin in (bool, int, str, NoneType) and type(value) is origin:
        return value
    if origin is Mapping and isinstance(value, dict):
        return {name: typed(args[1], item, f"{where}/{name}") for name, item in value.items()}
    if origin is tuple and isinstance(value, list):
        kinds = (args[0],) * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            pairs = enumerate(zip(kinds, value, strict=True))
            return tuple(typed(each, item, f"{where}/{n}") for n, (each, item) in pairs)
    if is_dataclass(origin) and isinstance(value, dict):
        return _object(origin, value, where)
    raise ValueError(f"'{printable(where)}' is not {_WORDS.get(origin, 'a JSON object')}")


def _object(kind: Any, value: dict[str, Any], where: str) -> Any:
    """Make a dataclass of a JSON object; what it does not name has its default."""
    hints, known = get_type_hints(kind), {field.name: field for field in fields(kind)}
    needed = {name for name, field in known.items() if field.default is MISSING}
    if odd := sorted(set(value) - set(known)):
        raise ValueError(f"'{printable(where)}' holds an unknown '{printable(odd[0])}'")
    needed -= {name for name, field in known.items() if field.default_factory is not MISSING}
    if missing := sorted(needed - set(value)):
        raise ValueError(f"'{printable(where)}' lacks '{missing[0]}'")
    prefix = f"{where}/" if where else ""
    return kind(
        **{name: typed(hints[name], item, f"{prefix}{name}") for name, item in value.items()}
    )


def _fits(kind: Any, value: Any) -> bool:
    if kind is float:
        return _is_number(value)
    origin = get_origin(kind) or kind
    return isinstance(value, dict) if origin is Mapping else type(value) is origin


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


SCHEMA = 1
MARK = "kextract_schema"
PREPROCESSING = "[-1, 1]: (x - 127.5) / 127.5"
KINDS = ("teacher", "student")
POOLINGS = ("global", "article", "none")
PRECISIONS = ("float32", "bfloat16")
OWN_ARCHITECTURE = "keras"
"""Stands for the name of a model whose architecture is in its file and not in the registry."""
NO_DATASET = "unknown"
"""Stands for the name of a data set that a file does not name."""
KEPT_EPOCH = "kept_epoch"
"""In the configuration: the epoch whose weights a student has, where that is not the last."""
MAX_EPOCHS = 100_000

_HASH = "metadata_sha256"
_HISTORY = f"{GROUP}/history"
_MAX_DETAILS = 1_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**63 - 1
_NEVER_ABSENT = "seconds"
_BOUNDS = {
    "loss": (0.0, math.inf),
    # A share is a mean of ones in float32 and may miss 1 by a rounding.
    "accuracy": (0.0, 1 + 1e-6),
    "train_loss": (0.0, math.inf),
    "agreement": (0.0, 1 + 1e-6),
    # A divergence of nothing, summed up in float32, comes out a little below zero.
    "kl": (-1e-3, math.inf),
    _NEVER_ABSENT: (0.0, math.inf),
}
"""The columns of a history, and between what their numbers lie."""


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Where a model comes from and how good it was."""

    kind: str
    """"teacher" or "student"."""
    model: str
    """Name in the registry of models, such as "resnet11"."""
    pooling: str
    """"global", "article" or "none"."""
    input_shape: tuple[int, int, int]
    """Height, width and channels of one image."""
    classes: int
    dataset: str
    """Name of the data set."""
    class_names: tuple[str, ...]
    """One per class, or none at all."""
    preprocessing: str = PREPROCESSING
    """What was done to pixels of 0 to 255 before the model saw them."""
    flip: bool
    """Mirroring an image keeps its class."""
    seed: int
    precision: str
    """"float32" or "bfloat16": what was computed in; weights are float32 in both."""
    config: Mapping[str, Any]
    """The whole configuration of the command, as JSON can hold it."""
    history: tuple[EpochRecord, ...] = ()
    teacher_sha256: str | None = None
    """In a student: the hash over its teacher's tensors."""
    teacher: str | None = None
    """In a student: the file name of its teacher."""
    test: Mapping[str, float] = field(default_factory=dict)
    """Final metrics on the test set by name; empty where it was not measured."""
    architecture: Mapping[str, Any] | None = None
    """Keras's description of a model that is not in the registry; filled in by writing."""

    schema: int = 0
    """Version of the format; this and all below is filled in by writing or reading."""
    kextract_version: str = ""
    keras_version: str = ""
    tensorflow_version: str = ""
    sha256: str = ""
    """Over the tensors, see `sha256_of_tensors`."""
    created: str = ""
    """ISO 8601, UTC."""

    @property
    def holdout(self) -> Holdout:
        """Which images were held out. Raises CheckpointError where it says what cannot be."""
        known = self.config.get("holdout")
        if not isinstance(known, Mapping):
            return Holdout()
        try:
            found: Holdout = typed(Holdout, dict(known), "holdout")
            return found
        except ValueError as error:
            raise CheckpointError(
                f"the checkpoint does not say which images it held out: its 'holdout' is"
                f" {dict(known)}"
            ) from error

    @property
    def kept(self) -> EpochRecord | None:
        """The epoch whose weights are in the file: a teacher's best one, a student's last.

        Of a student that its last epochs made worse, the one that `config` names.
        """
        if self.kind == "teacher":
            return best_epoch(self.history)
        epoch, last = self.config.get(KEPT_EPOCH), self.history[-1] if self.history else None
        return next((record for record in self.history if record.epoch == epoch), last)


_TYPES = get_type_hints(CheckpointInfo)
_ATTRIBUTES: dict[Any, Callable[[CheckedFile, str], Any]] = {
    str: CheckedFile.text_attribute,
    str | None: lambda file, name: file.text_attribute(name) if file.has_attribute(name) else None,
    int: lambda file, name: int(file.attribute(name, "<i8")),
    bool: lambda file, name: _flag(name, int(file.attribute(name, "|u1"))),
    tuple[int, int, int]: lambda file, name: file.attribute(name, "<i8", (3,)).tolist(),
}
"""How facts of these types are read; all others are JSON, but for the history."""


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
    return _checked(plain(document))


def write_metadata(file: h5py.File, info: CheckpointInfo) -> None:
    """Add what `prepare` returned to an open, writable file."""
    document, group = _document(info), file.create_group(GROUP)
    for name, value in {**document, _HASH: _digest(document)}.items():
        match value:
            case None:
                continue
            case str():
                file.attrs[name] = _text(name, value)
            case bool():
                file.attrs[name] = np.uint8(value)
            case int():
                file.attrs[name] = np.int64(value)
            case [*sizes] if name == "input_shape":
                file.attrs[name] = np.array(sizes, np.int64)
            case _ if name == "history":
                _write_history(group.create_group(name), info.history)
            case _:
                group[name] = _text(name, _json(value))


def read_metadata(file: CheckedFile) -> CheckpointInfo | None:
    """Read and check all of it; None where the file is not one of ours. Raises Refused."""
    if not file.has_attribute(MARK):
        if GROUP in file.groups:
            raise Refused(f"attribute '{MARK}' is missing")
        return None
    document: dict[str, Any] = {MARK: read_schema(file, MARK, SCHEMA, "written")}
    for name, kind in _TYPES.items():
        where = f"{GROUP}/{name}"
        if name == "history":
            document[name] = [row.to_dict() for row in _read_history(file)]
        elif name != "schema" and kind in _ATTRIBUTES:
            document[name] = _ATTRIBUTES[kind](file, name)
        elif name == "architecture" and where not in file.datasets:
            continue
        elif name != "schema":
            document[name] = from_json(file.text(where), where)
    if _digest(document) != file.text_attribute(_HASH):
        raise Refused(f"what it says does not match its '{_HASH}'")
    if plain(document) != document:
        raise Refused("holds text with control characters")
    return _checked(document)


def _document(info: CheckpointInfo) -> dict[str, Any]:
    """Everything as one JSON object: this is what `metadata_sha256` is taken over."""
    facts = {name: getattr(info, name) for name in _TYPES}
    facts["history"] = [row.to_dict() for row in info.history]
    for name, value in facts.items():
        if isinstance(value, tuple | Mapping):
            facts[name] = list(value) if isinstance(value, tuple) else dict(value)
    if info.architecture is None:
        del facts["architecture"]
    return {MARK: facts.pop("schema"), **facts}


def _checked(document: Mapping[str, Any]) -> CheckpointInfo:
    """Make what a document says an object. Raises ValueError, naming the field."""
    facts = dict(document)
    info: CheckpointInfo = typed(CheckpointInfo, {"schema": facts.pop(MARK), **facts}, "")
    choices = {"kind": KINDS, "pooling": POOLINGS, "precision": PRECISIONS}
    for name, known in choices.items():
        _check(name, getattr(info, name) in known, f"is not one of {', '.join(known)}")
    for name in ("model", "dataset", "preprocessing", "kextract_version"):
        _check(name, bool(getattr(info, name)), "is empty")
    for size in info.input_shape:
        _check_whole("input_shape", size, 1, 1 << 20)
    _check_whole("classes", info.classes, 1, MAX_CLASSES)
    _check("class_names", len(info.class_names) in (0, info.classes), "is not one name per class")
    _check_whole("seed", info.seed, 0, _LARGEST)
    for name in ("sha256", "teacher_sha256"):
        digest = getattr(info, name)
        good = digest is None or _DIGEST.fullmatch(digest) is not None
        _check(name, good, "is not 64 hexadecimal digits")
    _check("created", _is_utc(info.created), "is not an ISO date and time in UTC")
    _check("history", len(info.history) <= MAX_EPOCHS, f"has more than {MAX_EPOCHS} rows")
    previous = -1
    for row in info.history:
        _check_whole("history/epoch", row.epoch, previous + 1, _LARGEST)
        previous = row.epoch
        for name, (least, most) in _BOUNDS.items():
            value = getattr(row, name)
            _check(f"history/{name}", value is None or least <= value <= most, f"holds {value!r}")
    return info


def _check(name: str, good: bool, problem: str) -> None:
    if not good:
        raise ValueError(f"'{name}' {problem}")


def _check_whole(name: str, value: int, least: int, most: int) -> None:
    _check(name, least <= value <= most, f"is not a whole number from {least} to {most}")


def _is_utc(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _flag(name: str, value: int) -> bool:
    if value > 1:
        raise Refused(f"attribute '{name}' is neither 0 nor 1")
    return bool(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(document).encode()).hexdigest()


def _text(name: str, text: str) -> Any:
    data = text.encode()
    if len(data) > MAX_TEXT_BYTES:
        raise ValueError(f"'{name}' is longer than {MAX_TEXT_BYTES} bytes")
    return np.array(data, h5py.string_dtype("utf-8", max(len(data), 1)))


def _write_history(group: h5py.Group, history: tuple[EpochRecord, ...]) -> None:
    group["epoch"] = np.array([row.epoch for row in history], "<i8")
    for name in _BOUNDS:
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
    for name in _BOUNDS:
        values = file.tensor(f"{_HISTORY}/{name}", "<f8", (count,)).tolist()
        hide = name != _NEVER_ABSENT
        columns[name] = [None if hide and math.isnan(v) else v for v in values]
    where = f"{_HISTORY}/detail_names"
    names = typed(tuple[str, ...], from_json(file.text(where), where), where)
    if len(names) * count > _MAX_DETAILS:
        raise Refused(f"'{_HISTORY}/details' holds more than {_MAX_DETAILS} numbers")
    table = file.tensor(f"{_HISTORY}/details", "<f8", (count, len(names))).tolist()
    return [
        EpochRecord(
            epoch=epoch,
            details={k: v for k, v in zip(names, details, strict=True) if not math.isnan(v)},
            **{name: columns[name][row] for name in _BOUNDS},  # type: ignore[arg-type]
        )
        for row, (epoch, details) in enumerate(zip(epochs, table, strict=True))
    ]
