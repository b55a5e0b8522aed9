"""From a `.keras` file to a model that answers, and what there is to say about the file."""

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.errors import CheckpointError
from kextract.models.input_range import PIXELS, InputRange
from kextract.storage.archive.config import clean_model, parse, set_policy
from kextract.storage.archive.container import CONFIG, METADATA, WEIGHTS, Container, open_container
from kextract.storage.archive.graph import check_graph, image_shape
from kextract.storage.archive.head import take_head
from kextract.storage.info import MAX_CLASSES
from kextract.storage.refusal import Refused, printable
from kextract.storage.safe_hdf5 import CheckedFile, open_checked

if TYPE_CHECKING:
    import keras

# What reading a damaged zip file is known to raise.
_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError, ValueError,
    LookupError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ArchiveInfo:
    """What a Keras archive holds."""

    name: str
    """Of the model, as its author called it."""
    keras_version: str
    input_shape: tuple[int, int, int]
    """Height, width and channels of one image."""
    classes: int
    head: str
    """What the network ends in: `softmax`, `sigmoid`, `logits`, or other `probabilities`."""
    parameters: int
    batch_normalizations: int
    sha256: str
    """Over the tensors, see `sha256_of_tensors`."""


def load_archive(
    path: Path, *, input_range: InputRange = PIXELS, precision: str = "float32"
) -> "tuple[keras.Model, ArchiveInfo]":
    """Read a classifier that Keras saved; nothing of the file is run or trusted.

    The model maps float32 images (n, h, w, c) in [-1, 1] to float32 logits (n, classes); the
    network inside sees pixels in `input_range`. Raises CheckpointError for a file that is missing,
    damaged, unsafe or no classifier of images.
    """
    with _refused(path), open_container(path) as container:
        about = parse(container.read(METADATA))
        config = parse(container.read(CONFIG))
        description = clean_model(config)
        shape = image_shape(description)
        check_graph(description)
        with _weights(path, container) as weights:
            # Only now: TensorFlow takes seconds to start.
            runtime.start()
            from kextract.models.build import POLICIES
            from kextract.storage.archive.build import build, check_runs

            set_policy(description, POLICIES[runtime.resolve_precision(precision)])
            head = take_head(description)
            with _refused(path):
                network, digest = build(description, weights)
                answers = check_runs(network, shape, input_range)

        from kextract.models.adapter import adapt, guess_head
        from kextract.models.statistics import batch_norm_layers

        if head == "unknown":
            head = guess_head(answers)
        info = ArchiveInfo(
            name=printable(network.name),
            keras_version=printable(str(about.get("keras_version"))),
            input_shape=shape,
            classes=_classes(network.output_shape),
            head=head,
            parameters=network.count_params(),
            batch_normalizations=len(batch_norm_layers(network)),
            sha256=digest,
        )
        return adapt(network, shape, head=head, input_range=input_range), info


@contextmanager
def _weights(path: Path, container: Container) -> Iterator[CheckedFile]:
    """Open the weights in an archive; HDF5 wants a file, so it gets one that nobody else sees."""
    with tempfile.NamedTemporaryFile(prefix="kextract-", suffix=".h5") as copy:
        container.extract(WEIGHTS, copy)
        copy.flush()
        with open_checked(Path(copy.name), called=f"'{path}': {WEIGHTS}") as file:
            yield file


def _classes(shape: Any) -> int:
    """Say how many classes a network of this output shape (None, ..., k) tells apart."""
    if not isinstance(shape, tuple) or len(shape) < 2 or any(size != 1 for size in shape[1:-1]):
        raise Refused(f"answers an image with a tensor of shape {shape}, not a number a class")
    if not 1 <= shape[-1] <= MAX_CLASSES:
        raise Refused(f"answers with {shape[-1]} numbers; at most {MAX_CLASSES} classes are read")
    return max(2, int(shape[-1]))


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with an archive into one line that names it."""
    try:
        yield
    except Refused as error:
        raise CheckpointError(f"'{path}': {error}") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"'{path}': no such file") from error
    except _DAMAGE as error:
        why = printable(" ".join(str(error).split()) or type(error).__name__)
        raise CheckpointError(f"'{path}': damaged or not readable ({why})") from error
