"""What is kept of an unfinished run, in a hidden file beside the checkpoint that it will write.

The file is HDF5, so that it goes through the same suspicious reader as checkpoints do. It holds a
JSON document (the request, the history, what the tensors are), the tensors, and a SHA-256 over all
of it. Each epoch's file replaces the one before in one step.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kextract import __version__
from kextract.errors import NonFiniteError, Refused
from kextract.hdf5.safe_hdf5 import CheckedFile, open_checked
from kextract.hdf5.weights import sha256_of_tensors
from kextract.records import EpochRecord, Snapshot
from kextract.storage.atomic import SUFFIX, atomic_write
from kextract.storage.info import MAX_EPOCHS
from kextract.text import printable

SCHEMA = 1
ENDING = ".resume.h5"
MAX_DOCUMENT_BYTES = 1 << 28

Request = Mapping[str, str | int | float | bool | None]
"""The options that a run's result depends on, by flag; `None` is one that was not given."""

_MARK, _VERSION, _HASH = "kextract_resume", "kextract_version", "sha256"
_DOCUMENT, _TENSORS = "document", "tensors"
_KINDS = "fiu"
"""Kinds of dtype that a tensor may have: floats and whole numbers."""
_MAY_BE_MISSING = frozenset({"loss", "accuracy", "train_loss", "agreement", "kl"})


@dataclass(frozen=True)
class Kept:
    """An unfinished run."""

    snapshot: Snapshot
    request: Request


def resume_path(output: Path) -> Path:
    """Name the file that keeps the unfinished run of this output; hidden, and no checkpoint's."""
    return output.with_name(f".{output.name.removesuffix(SUFFIX)}{ENDING}")


def write_resume(path: Path, snapshot: Snapshot, request: Request) -> None:
    """Keep an unfinished run, in place of what was kept before; whole or not at all.

    Raises StorageError where it cannot be written, and NonFiniteError for weights that are no
    longer numbers: what was kept before is then the last that is worth keeping.
    """
    _check_finite(snapshot)
    image = _image(snapshot, request)
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_bytes(image)


def read_resume(path: Path) -> Kept:
    """Read what `write_resume` wrote.

    Raises CheckpointError for a file that is missing, damaged, unsafe or of a newer kextract.
    """
    with open_checked(path) as file:
        _check_schema(file)
        length = file.length(_DOCUMENT, MAX_DOCUMENT_BYTES)
        text = file.tensor(_DOCUMENT, "|u1", (length,))
        document = _parse(text.tobytes())
        tensors = {
            name: file.tensor(f"{_TENSORS}/{name}", dtype, shape)
            for name, (dtype, shape) in _specs(document).items()
        }
        if _digest(text, tensors) != file.text_attribute(_HASH):
            raise Refused(f"its contents do not match its '{_HASH}'")
        return Kept(Snapshot(_history(document), tensors), _request(document))


def _check_finite(snapshot: Snapshot) -> None:
    for name, value in snapshot.tensors.items():
        # An optimizer's moments may overflow without harm, and did so before anything was kept.
        if name.startswith(("model/", "best/")) and not np.isfinite(value).all():
            raise NonFiniteError(
                f"the weights hold a NaN or an infinity after epoch {snapshot.history[-1].epoch}:"
                " try a smaller --learning-rate, or --precision float32"
            )


def _image(snapshot: Snapshot, request: Request) -> bytes:
    """Make the bytes of the file in memory: HDF5 itself does not survive a full disk."""
    tensors = {
        name: value.astype(value.dtype.newbyteorder("<"), copy=False)
        for name, value in snapshot.tensors.items()
    }
    document = {
        "request": dict(request),
        "history": [record.to_dict() for record in snapshot.history],
        "tensors": {name: [value.dtype.str, value.shape] for name, value in tensors.items()},
    }
    text = np.frombuffer(json.dumps(document, allow_nan=False).encode(), np.uint8)
    with h5py.File("image", "w", driver="core", backing_store=False) as file:
        file.attrs[_MARK] = np.int64(SCHEMA)
        file.attrs[_VERSION] = np.bytes_(__version__)
        file.attrs[_HASH] = np.bytes_(_digest(text, tensors))
        file[_DOCUMENT] = text
        for name, value in tensors.items():
            file[f"{_TENSORS}/{name}"] = value
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _digest(text: NDArray[np.uint8], tensors: Mapping[str, NDArray[Any]]) -> str:
    named = {f"{_TENSORS}/{name}": value for name, value in tensors.items()}
    return sha256_of_tensors({_DOCUMENT: text, **named})


def _check_schema(file: CheckedFile) -> None:
    if not file.has_attribute(_MARK):
        raise Refused("keeps no unfinished run")
    schema = int(file.attribute(_MARK, "<i8"))
    if schema > SCHEMA:
        version = printable(file.text_attribute(_VERSION))
        raise Refused(
            f"kept by kextract {version} in format {schema};"
            f" kextract {__version__} reads up to {SCHEMA}: update kextract"
        )
    if schema < 1:
        raise Refused(f"attribute '{_MARK}' is {schema}")


def _parse(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused(f"'{_DOCUMENT}' is not JSON") from None
    parts = {"request": dict, "history": list, "tensors": dict}
    if not isinstance(document, dict) or set(document) != set(parts):
        raise Refused(f"'{_DOCUMENT}' does not hold {', '.join(parts)}")
    for name, kind in parts.items():
        if not isinstance(document[name], kind):
            raise Refused(f"'{name}' is not a JSON {kind.__name__}")
    return document


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _specs(document: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: _spec(name, spec) for name, spec in document["tensors"].items()}


def _spec(name: str, spec: object) -> tuple[str, tuple[int, ...]]:
    match spec:
        case [str(dtype), [*shape]] if np.dtype(dtype).kind in _KINDS:
            sizes = tuple(size for size in shape if isinstance(size, int) and _whole(size))
            if len(sizes) == len(shape):
                return dtype, sizes
    raise Refused(f"'{printable(name)}' is not described by a dtype of numbers and a shape")


def _history(document: Mapping[str, Any]) -> tuple[EpochRecord, ...]:
    rows = document["history"]
    if not 2 <= len(rows) <= MAX_EPOCHS:
        raise Refused("'history' holds no finished epoch, or too many")
    return tuple(_record(epoch, row) for epoch, row in enumerate(rows))


def _record(epoch: int, row: object) -> EpochRecord:
    if not isinstance(row, dict) or set(row) != {field.name for field in fields(EpochRecord)}:
        raise Refused(f"'history' has no record of epoch {epoch}")
    metrics = {name: value for name, value in row.items() if name not in ("epoch", "details")}
    good = (
        _whole(row["epoch"])
        and row["epoch"] == epoch
        and isinstance(row["details"], dict)
        and all(map(_finite, row["details"].values()))
        and all(
            _finite(value) or (value is None and name in _MAY_BE_MISSING)
            for name, value in metrics.items()
        )
    )
    if not good:
        raise Refused(f"'history' has a senseless record of epoch {epoch}")
    return EpochRecord(**row)


def _request(document: Mapping[str, Any]) -> Request:
    request: dict[str, Any] = document["request"]
    for flag, value in request.items():
        if value is not None and not isinstance(value, str | int | float | bool):
            raise Refused(f"'request' has a senseless value of '{printable(flag)}'")
    return request


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
