"""The formats that a student can be written in, and how files in them name their classes.

Nothing here imports TensorFlow.
"""

import importlib.util
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kextract.datasets.names import LONGEST_FILE, parse_names
from kextract.errors import MissingExtraError, RequestError
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.storage.opening import Identified, Kind, examine

ARITHMETICS = ("float32", "float16", "int8")
"""As the checkpoint; weights in half the bytes; integers throughout, input and output too."""
LABELS = "labels.txt"
"""One class name a line: what TensorFlow Lite's own tools call the file."""
PROPERTY = "class_names"
"""The metadata property of an ONNX file that has them, as a JSON list."""


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One file format, and what it takes to check a file of it."""

    ending: str
    """Of a file's name; a SavedModel is a folder and has none."""
    class_names: str | None
    """Where class names are in it; None where there is no place for them."""
    extra: str = ""
    """The optional dependencies of kextract that it needs."""
    modules: tuple[str, ...] = ()
    """What these are imported as."""
    arithmetics: tuple[str, ...] = ("float32",)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder and not a file."""
        return not self.ending


FORMATS: dict[str, FormatSpec] = {
    "keras": FormatSpec(".keras", None),
    "savedmodel": FormatSpec("", "assets.extra/labels.txt"),
    "tflite": FormatSpec(
        ".tflite",
        "labels.txt, which unzip finds in it",
        extra="tflite",
        modules=("ai_edge_litert",),
        arithmetics=ARITHMETICS,
    ),
    "onnx": FormatSpec(
        ".onnx",
        "metadata property 'class_names', a JSON list",
        extra="onnx",
        modules=("onnx", "onnxruntime", "tf2onnx"),
    ),
}


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """What a file shall be; raises RequestError for what its format cannot hold."""

    format: str
    """A name in `FORMATS`."""
    arithmetic: str = "float32"
    """A name in `ARITHMETICS`."""
    outputs: str = "logits"
    """What the file gives: `logits`, `probabilities`, which sum to 1, or `sigmoids`."""
    input_range: Preprocessing = PIXELS
    """What the file takes for pixels."""
    class_names: tuple[str, ...] = ()
    least_agreement: float | None = None
    """Share of images on which file and checkpoint must agree; None for the usual one."""
    by_label: bool = False
    """Whether the network says of each label on its own whether an image has it."""

    def __post_init__(self) -> None:
        if self.arithmetic not in FORMATS[self.format].arithmetics:
            raise RequestError(
                f"--{self.arithmetic}: is for --format tflite, not for --format {self.format}"
            )


def format_of(path: Path) -> str:
    """Tell a format by a file name's ending. Raises RequestError where it is that of none."""
    for name, spec in FORMATS.items():
        if path.suffix.lower() == spec.ending:
            return name
    raise RequestError(
        f"--output: '{path}' does not say its format; name it with --format {'|'.join(FORMATS)}"
    )


def check_installed(name: str) -> None:
    """Raise RequestError for a format whose runtime is not installed; nothing is imported."""
    spec = FORMATS[name]
    missing = [module for module in spec.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"--format {name} needs {', '.join(missing)}", spec.extra)


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
    add_property(path, PROPERTY, json.dumps(list(class_names)))


def add_property(path: Path, name: str, value: str) -> None:
    """Add a metadata property to an ONNX file."""
    import onnx

    model = onnx.load(path)
    model.metadata_props.add(key=name, value=value)
    onnx.save(model, path)


_WRITERS: Mapping[str, Callable[[Path, Sequence[str]], None]] = {
    "savedmodel": _write_beside_savedmodel,
    "tflite": _write_behind_tflite,
    "onnx": _write_into_onnx,
}
