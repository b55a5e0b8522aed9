"""What a file that is named as a model is: the one place that asks for kinds of files."""

import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from kextract.errors import CheckpointError
from kextract.foreign.keras.container import is_archive
from kextract.foreign.keras.loading import MODEL_CONFIG
from kextract.hdf5.raw_checks import SIGNATURE as HDF5
from kextract.hdf5.safe_hdf5 import OpenFile, open_checked
from kextract.storage.checkpoint import read_info
from kextract.storage.info import CheckpointInfo


class Kind(Enum):
    """What a file is, each with what to call it."""

    CHECKPOINT = "a checkpoint of kextract"
    WEIGHTS = "weights of another program"
    MODEL = "a whole Keras model"
    TFLITE = "a TFLite model"
    ONNX = "an ONNX model"
    SAVED_MODEL = "a TensorFlow SavedModel"
    FUNCTION = "a Python function"
    PYTORCH = "a PyTorch file"
    MISSING = "missing"
    UNKNOWN = "no model"


OTHERS = frozenset({Kind.ONNX, Kind.TFLITE})
"""Files of other programs that are read as networks, where all their operators are known."""
BLACK_BOXES = frozenset({Kind.SAVED_MODEL, Kind.FUNCTION})
"""What never gives more than its outputs; a file that is read as a network may turn out so too."""
READ = frozenset({Kind.CHECKPOINT, Kind.WEIGHTS, Kind.MODEL, Kind.SAVED_MODEL, *OTHERS})
"""Kinds that `identify` lets pass."""
TFJS_NAME = "model.json"
"""Of the file that TensorFlow.js describes a model in, beside its weights."""

_PYTORCH_HINT = (
    "which would run code when it is read: in PyTorch, write it as ONNX, with the size of its"
    ' images, by torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), "classifier.onnx",'
    " dynamo=False), or by the newer exporter,"
    " torch.onnx.export(model.eval(), (torch.zeros(1, 3, 224, 224),), "
    '"classifier.onnx", dynamo=True), and give classifier.onnx'
)
_TFLITE_MARK, _TFLITE_PLACE = b"TFL3", 4
_MARKS = 16
_PYTORCH = (".pt", ".pth")


@dataclass(frozen=True)
class Identified:
    """What a file is."""

    path: Path
    kind: Kind
    info: CheckpointInfo | None = None
    """What a checkpoint says about itself."""
    file: OpenFile | None = None
    """The file, open, unless it is a folder, or not there."""

    @property
    def where(self) -> Path | OpenFile:
        """What to read it from."""
        return self.file or self.path


def names_model(text: str) -> bool:
    """Tell whether a word names a file with a whole model, not an architecture of the registry."""
    return Path(text).suffix.lower() in (".keras", ".h5", ".hdf5") or is_archive(Path(text))


def identify(path: Path) -> Identified:
    """Say what a model's file is, and what it says about itself.

    Raises CheckpointError, with what to do, for one that is missing, damaged, unsafe or of a kind
    that is not read.
    """
    found = examine(path)
    if found.kind in READ:
        return found
    if found.kind is Kind.MISSING:
        raise CheckpointError(f"'{path}': no such file")
    if found.kind is Kind.PYTORCH:
        raise CheckpointError(f"'{path}' is {found.kind.value}, {_PYTORCH_HINT}")
    if not path.is_file():
        raise CheckpointError(f"'{path}': is not a regular file")
    raise CheckpointError(
        f"'{path}': is not an HDF5 file, nor any other model; read are checkpoints, Keras models"
        " (.keras, .h5), .onnx and .tflite files, TensorFlow.js models (model.json) and SavedModel"
        " folders"
    )


def examine(where: Path | Identified) -> Identified:
    """Open a file, if it is not, and say what it is, by its first bytes and its name.

    Raises CheckpointError for an HDF5 file that is damaged or unsafe. TensorFlow is not needed.
    """
    if isinstance(where, Identified):
        return where
    path = where
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode) and (path / "saved_model.pb").exists():
            return Identified(path, Kind.SAVED_MODEL)
        if stat.S_ISDIR(status.st_mode) and (path / TFJS_NAME).is_file():
            path = path / TFJS_NAME
            return Identified(path, Kind.MODEL, file=OpenFile(path))
        if not stat.S_ISREG(status.st_mode):
            # A pipe would wait for a writer to it.
            return Identified(path, Kind.UNKNOWN)
        file = OpenFile(path)
        start = file.raw.read(_MARKS)
    except FileNotFoundError:
        return Identified(path, Kind.MISSING)
    except OSError as error:
        raise CheckpointError(f"'{path}': cannot be read ({error.strerror})") from error
    if start.startswith(HDF5):
        return _look_into(file)
    return Identified(path, _by_marks(file, start), file=file)


def _by_marks(file: OpenFile, start: bytes) -> Kind:
    ending = file.path.suffix.lower()
    if start[_TFLITE_PLACE:].startswith(_TFLITE_MARK) or ending == ".tflite":
        return Kind.TFLITE
    if ending == ".onnx":
        return Kind.ONNX
    if ending == ".json" and start.lstrip().startswith(b"{"):
        return Kind.MODEL
    if file.path.name == "saved_model.pb":
        return Kind.SAVED_MODEL
    if ending in _PYTORCH:
        return Kind.PYTORCH
    return Kind.MODEL if is_archive(file) else Kind.UNKNOWN


def _look_into(file: OpenFile) -> Identified:
    """Tell the kinds of HDF5 files apart."""
    with open_checked(file) as checked:
        if checked.has_attribute(MODEL_CONFIG):
            return Identified(file.path, Kind.MODEL, file=file)
    info = read_info(file)
    return Identified(file.path, Kind.CHECKPOINT if info else Kind.WEIGHTS, info, file)
