"""Names of classes in files for other programs: where they are written, and read again."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kextract.datasets.class_names import LONGEST_FILE, parse_names
from kextract.storage.opening import Identified, Kind, examine

LABELS = "labels.txt"
"""One class name a line: what TensorFlow Lite's own tools call the file."""
PROPERTY = "class_names"
"""The metadata property of an ONNX file that has them, as a JSON list."""


def write_names(path: Path, format: str, class_names: Sequence[str]) -> None:
    """Add the names to a file that was written, where its format has a place for them."""
    if format in _WRITERS:
        _WRITERS[format](path, class_names)


def read_names(where: Path | Identified) -> tuple[str, ...]:
    """Return the names in a SavedModel folder, a TFLite or an ONNX file; nothing where none are.

    They are untrusted text, to be counted before use. What cannot be read has no names: whether
    the file is sound is for its runtime to say.
    """
    found = examine(where)
    try:
        if found.kind is Kind.SAVED_MODEL:
            with (found.path / "assets.extra" / LABELS).open("rb") as file:
                return parse_names(file.read(LONGEST_FILE))
        if found.file is None:
            return ()
        if found.kind is Kind.TFLITE and zipfile.is_zipfile(found.file.raw):
            with zipfile.ZipFile(found.file.raw) as archive:
                # Other writers call the file as they like.
                (name,) = (name for name in archive.namelist() if name.endswith(".txt"))
                with archive.open(name) as member:
                    return parse_names(member.read(LONGEST_FILE))
        if found.kind is Kind.ONNX:
            return _names_in_onnx(found.file.content())
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        pass
    return ()


def _names_in_onnx(content: bytes) -> tuple[str, ...]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        properties = onnx.ModelProto.FromString(content).metadata_props
    except DecodeError:
        return ()
    found = {entry.key: entry.value for entry in properties}
    return parse_names(found.get(PROPERTY, "[]")[:LONGEST_FILE].encode(), json=True)


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
