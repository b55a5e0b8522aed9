"""What is kept of an unfinished run, in a hidden file beside the checkpoint that it will write.

The file is HDF5, so that it goes through the same suspicious reader as checkpoints do. It holds a
JSON document (the request, the history, what the tensors are), the tensors, and a SHA-256 over all
of it. Each epoch's file replaces the one before in one step.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kextract import __version__
from kextract.errors import NonFiniteError, Refused
from kextract.hdf5.safe_hdf5 import open_checked
from kextract.hdf5.weights import sha256_of_tensors
from kextract.records import EpochRecord, Snapshot
from kextract.storage.atomic import SUFFIX, atomic_write
from kextract.storage.info import MAX_EPOCHS, from_json, read_schema, typed
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


@dataclass(frozen=True)
class Kept:
    """An unfinished run."""

    snapshot: Snapshot
    request: Request


@dataclass(frozen=True)
class _Document:
    """What is kept beside the numbers of tensors."""

    request: Request
    history: tuple[EpochRecord, ...]
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    """Dtype and shape by name."""


def resume_path(output: Path) -> Path:
    """Name the file that keeps the unfinished run of this output; hidden, and no checkpoint's."""
    return output.with_name(f".{output.name.removesuffix(SUFFIX)}{ENDING}")


def write_resume(path: Path, snapshot: Snapshot, request: Request) -> None:
    """Keep an unfinished run, in place of what was kept before; whole or not at all.

    Raises StorageError where it cannot be written, and NonFiniteError for weights that are
    not finite: what was kept before is then the last that is worth keeping.
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
        if not file.has_attribute(_MARK):
            raise Refused("keeps no unfinished run")
        read_schema(file, _MARK, SCHEMA, "kept")
        length = file.length(_DOCUMENT, MAX_DOCUMENT_BYTES)
        text = file.tensor(_DOCUMENT, "|u1", (length,))
        document = _read_document(text.tobytes())
        tensors = {
            name: file.tensor(f"{_TENSORS}/{name}", dtype, shape)
            for name, (dtype, shape) in document.tensors.items()
        }
        if _digest(text, tensors) != file.text_attribute(_HASH):
            raise Refused(f"its contents do not match its '{_HASH}'")
        return Kept(Snapshot(document.history, tensors), document.request)


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


def _read_document(text: bytes) -> _Document:
    document: _Document = typed(_Document, from_json(text, _DOCUMENT), "")
    for name, (dtype, shape) in document.tensors.items():
        if np.dtype(dtype).kind not in _KINDS or min(shape, default=0) < 0:
            raise Refused(f"'{printable(name)}' is not described by a dtype of numbers and a shape")
    if not 2 <= len(document.history) <= MAX_EPOCHS:
        raise Refused("'history' holds no finished epoch, or too many")
    if any(row.epoch != epoch for epoch, row in enumerate(document.history)):
        raise Refused("'history' has epochs out of order")
    return document
