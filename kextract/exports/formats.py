"""The formats that a student can be written in, by name; nothing here imports TensorFlow."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from kextract.errors import MissingExtraError, RequestError, UnknownNameError
from kextract.models.input_range import PIXELS, Preprocessing

ARITHMETICS = ("float32", "float16", "int8")
"""As the checkpoint; weights in half the bytes; integers throughout, input and output too."""


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
        spec = format_spec(self.format)
        if self.arithmetic not in spec.arithmetics:
            raise RequestError(
                f"--{self.arithmetic}: is for --format tflite, not for --format {self.format}"
            )
        least = self.least_agreement
        if least is not None and not 0 <= least <= 1:
            raise RequestError(f"--min-agreement {least}: must lie between 0 and 1, such as 0.9")


def format_spec(name: str) -> FormatSpec:
    """Look a format up; raises UnknownNameError."""
    if name not in FORMATS:
        raise UnknownNameError("format (--format)", name, FORMATS)
    return FORMATS[name]


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
    spec = format_spec(name)
    missing = [module for module in spec.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"--format {name} needs {', '.join(missing)}", spec.extra)
