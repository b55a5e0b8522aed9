"""Names of classes in files for other programs: where they are written, and read again."""

import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from kextract.datasets.class_names import LONGEST_FILE, parse_names
from kextract.storage.opening import Kind, kind_of

LABELS = "labels.txt"
"""One class name a line: what TensorFlow Lite's own tools call the file."""
PROPERTY = "class_names"
"""The metadata property of an ONNX file that has them, as a JSON list."""

_METADATA = 14
"""The field `metadata_props` of onnx.proto's `ModelProto`; each has a key and a value, 1 and 2."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


def write_names(path: Path, format: str, class_names: Sequence[str]) -> None:
    """Add the names to a file that was written, where its format has a place for them."""
    if format in _WRITERS:
        _WRITERS[format](path, class_names)


def read_names(path: Path) -> tuple[str, ...]:
    """Return the names in a SavedModel folder, a TFLite or an ONNX file; nothing where none are.

    They are untrusted text, and whoever uses them counts them first. What cannot be read has
    no names: whether the file is sound is for its runtime to say.
    """
    try:
        match kind_of(path):
            case Kind.SAVED_MODEL:
                with (path / "assets.extra" / LABELS).open("rb") as file:
                    return parse_names(file.read(LONGEST_FILE))
            case Kind.TFLITE if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    # Other writers call the file as they like.
                    (name,) = (name for name in archive.namelist() if name.endswith(".txt"))
                    with archive.open(name) as member:
                        return parse_names(member.read(LONGEST_FILE))
            case Kind.ONNX:
                with path.open("rb") as file:
                    return parse_names(_properties(file).get(PROPERTY, b"[]"), json=True)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        pass
    return ()


def _lines(class_names: Sequence[str]) -> str:
    return "".join(f"{' '.join(name.split())}\n" for name in class_names)


def _write_beside_savedmodel(path: Path, class_names: Sequence[str]) -> None:
    folder = path / "assets.extra"
    folder.mkdir()
    (folder / LABELS).write_text(_lines(class_names), encoding="utf-8")


def _write_behind_tflite(path: Path, class_names: Sequence[str]) -> None:
    # As TensorFlow Lite's metadata writer attaches files: a zip behind the network.
    with zipfile.ZipFile(path, "a") as attached:
        attached.writestr(zipfile.ZipInfo(LABELS), _lines(class_names))


def _write_into_onnx(path: Path, class_names: Sequence[str]) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {PROPERTY: json.dumps(list(class_names))})
    onnx.save(model, path)


_WRITERS: Mapping[str, Callable[[Path, Sequence[str]], None]] = {
    "savedmodel": _write_beside_savedmodel,
    "tflite": _write_behind_tflite,
    "onnx": _write_into_onnx,
}


def _properties(file: BinaryIO) -> dict[str, bytes]:
    """Read the metadata of an ONNX file and pass over its graph, which may be large."""
    found = {}
    size = os.fstat(file.fileno()).st_size
    while file.tell() < size:
        field, wire = divmod(_varint(file), 8)
        if wire == _VARINT:
            _varint(file)
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire) or _varint(file)
        if field != _METADATA:
            file.seek(length, os.SEEK_CUR)
            continue
        end, entry = file.tell() + min(length, LONGEST_FILE), dict[int, bytes]()
        while file.tell() < end:
            part = _varint(file) // 8
            entry[part] = file.read(min(_varint(file), LONGEST_FILE))
        found[entry.get(1, b"").decode()] = entry.get(2, b"")
    return found


def _varint(file: BinaryIO) -> int:
    """Read a number, seven bits a byte. Raises ValueError where there is none."""
    number = 0
    for place in range(10):
        byte = file.read(1)
        if not byte:
            break
        number |= (byte[0] & 127) << 7 * place
        if byte[0] < 128:
            return number
    raise ValueError("no number")
