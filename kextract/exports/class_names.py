"""Names of classes in files for other programs: where they are written, and read again."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

from kextract.datasets.class_names import LONGEST_FILE, parse_names
from kextract.storage.opening import Kind, kind_of
from kextract.teachers.onnx_file import protobuf_fields

LABELS = "labels.txt"
"""One class name a line: what TensorFlow Lite's own tools call the file."""
PROPERTY = "class_names"
"""The metadata property of an ONNX file that has them, as a JSON list."""

_METADATA = 14
"""The field `metadata_props` of onnx.proto's `ModelProto`; each has a key and a value, 1 and 2."""


def write_names(path: Path, format: str, class_names: Sequence[str]) -> None:
    """Add the names to a file that was written, where its format has a place for them."""
    if format in _WRITERS:
        _WRITERS[format](path, class_names)


def read_names(path: Path) -> tuple[str, ...]:
    """Return the names in a SavedModel folder, a TFLite or an ONNX file; nothing where none are.

    They are untrusted text, to be counted before use. What cannot be read has no names: whether
    the file is sound is for its runtime to say.
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
                return parse_names(_properties(path).get(PROPERTY, b"[]"), json=True)
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


def _properties(path: Path) -> dict[str, bytes]:
    """Read the metadata of an ONNX file and pass over its graph, which may be large."""
    found = {}
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for entry in protobuf_fields(data, slice(0, len(data)), _METADATA):
            names, values = (
                [
                    data[part.start : min(part.stop, part.start + LONGEST_FILE)]
                    for part in protobuf_fields(data, entry, number)
                ]
                for number in (1, 2)
            )
            found[b"".join(names[-1:]).decode()] = b"".join(values[-1:])
    return found
