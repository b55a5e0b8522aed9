"""From a `.keras`, HDF5 or tfjs file of a whole model to a classifier, and notes."""

import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.errors import Refused
from kextract.foreign import ExternalNetwork
from kextract.foreign.keras.container import (
    CONFIG,
    LIMITS,
    METADATA,
    WEIGHTS,
    Container,
    is_archive,
    open_container,
)
from kextract.foreign.keras.description import clean_model, parse, set_policy
from kextract.foreign.keras.graph import (
    check_graph,
    ending,
    ends_by_name,
    normalizes,
    shape_of_images,
    take_off,
)
from kextract.foreign.keras.tensors import Tensors, TensorsByLayer, TensorsByPath
from kextract.foreign.keras.tfjs import ENDING, read_tfjs
from kextract.foreign.keras.upgrading import upgrade
from kextract.hdf5.safe_hdf5 import OpenFile, open_checked, opened, path_of, refusing
from kextract.models.axes import Shape
from kextract.models.heads import MAX_CLASSES
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.text import printable

if TYPE_CHECKING:
    import keras

MODEL_CONFIG = "model_config"
"""The attribute of an HDF5 file that holds the description of a whole model."""
_LONGEST_VERSION = 100

# What reading a damaged zip file is known to raise.
_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError, ValueError,
    LookupError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip


def load_archive(
    where: Path | OpenFile,
    *,
    input_range: Preprocessing | None = PIXELS,
    precision: str = "float32",
    outputs: str | None = None,
    output_name: str | None = None,
) -> ExternalNetwork:
    """Read a classifier that Keras or TensorFlow.js saved; nothing of the file is run or trusted.

    It takes pixels as `input_range` says; where that is None, as the file lets guess. `outputs`
    says what its outputs are, one of `kextract.models.heads.OUTPUTS`, and `output_name` which of
    several is meant. Raises CheckpointError for a file that is missing, damaged, unsafe or no
    classifier of images, RequestError for an `input_range` of other channels, and
    SeveralOutputsError where an output has to be chosen.
    """
    path = path_of(where)
    with _refused(path), _opened(where) as source:
        description = clean_model(source.config)
        shape = shape_of_images(description)
        check_graph(description)
        places = ends_by_name(description)
        if input_range is not None:
            input_range.check_fits(shape)
        with source.tensors() as tensors:
            # Only now: TensorFlow takes seconds to start.
            runtime.start()
            from kextract.foreign.keras.building import build, check_runs
            from kextract.foreign.keras.classifier import cut_at, head_of
            from kextract.models.architectures import POLICIES

            set_policy(description, POLICIES[runtime.resolve_precision(precision)])
            name = output_name if output_name in places else next(iter(places))
            end = ending(description, places[name])
            taken_off = end is not None and take_off(end, outputs)
            with _refused(path):
                whole, digest = build(description, tensors)
                network, sizes = cut_at(whole, path, output_name)
                tried = check_runs(network, shape, input_range or PIXELS)

        from kextract.models.adapter import adapt
        from kextract.models.infer_range import guess_input_range

        guess = guess_input_range(network, shape)
        taken = input_range or guess.preprocessing or PIXELS
        with _refused(path):
            head = head_of(network, shape, taken, tried, end, taken_off, outputs)
        _check_classes(network.output_shape)
        return ExternalNetwork(
            model=adapt(network, shape, head=head, input_range=taken),
            network=network,
            input_shape=shape,
            head=head,
            outputs=sizes,
            input_range=taken,
            guess=guess,
            sha256=digest,
            about={
                "name": printable(network.name),
                "format": source.format,
                "keras_version": printable(source.keras_version),
            },
        )


def facts_of_archive(where: Path | OpenFile) -> tuple[Shape, bool]:
    """Give the shape of the images that a classifier takes, and whether it normalizes batches.

    Only its description is read: TensorFlow is not needed. Raises CheckpointError.
    """
    with _refused(path_of(where)), _opened(where) as source:
        description = clean_model(source.config)
        return shape_of_images(description), normalizes(description)


def build_described(where: Path | OpenFile, description: Any) -> "keras.Model":
    """Build the network, of float32, that a checkpoint describes; it gives logits.

    The description is trusted no more than an untrusted file. Raises CheckpointError.
    """
    with _refused(path_of(where)), open_checked(where) as file:
        if description is None:
            raise Refused("is too old to say what its network is like: train it again")
        cleaned = clean_model(description)
        shape_of_images(cleaned)
        check_graph(cleaned)
        runtime.start()
        from kextract.foreign.keras.building import build

        network, _ = build(cleaned, TensorsByPath(file))
        return network


@dataclass(frozen=True)
class _Source:
    """What one of the formats says, before any of it is believed."""

    format: str
    keras_version: str
    config: Any
    tensors: Callable[[], AbstractContextManager[Tensors]]


@contextmanager
def _opened(where: Path | OpenFile) -> Iterator[_Source]:
    with opened(where) as file:
        if is_archive(file):
            with open_container(file) as container:
                about = parse(container.read(METADATA))
                config = parse(container.read(CONFIG))
                version = str(about.get("keras_version"))
                if version.startswith("2."):
                    config = upgrade(config, version)
                yield _Source("keras", version, config, partial(_extracted, file.path, container))
            return
        if file.path.suffix == ENDING:
            version, config, weights = read_tfjs(file)
            yield _Source("tfjs", version, config, lambda: nullcontext(weights))
            return
        with open_checked(file) as checked:
            if not checked.has_attribute(MODEL_CONFIG):
                raise Refused("holds no whole model: save it by model.save('x.keras')")
            text = checked.long_text_attribute(MODEL_CONFIG, LIMITS[CONFIG])
            version = "2"
            if checked.has_attribute("keras_version"):
                version = checked.long_text_attribute("keras_version", _LONGEST_VERSION)
            config = upgrade(parse(text.encode()), version)
            yield _Source("hdf5", version, config, lambda: nullcontext(TensorsByLayer(checked)))


@contextmanager
def _extracted(path: Path, container: Container) -> Iterator[Tensors]:
    """Open the weights in an archive; HDF5 wants a file, so it gets a temporary one."""
    with tempfile.NamedTemporaryFile(prefix="kextract-", suffix=".h5") as copy:
        container.extract(WEIGHTS, copy)
        copy.flush()
        with open_checked(Path(copy.name), called=f"'{path}': {WEIGHTS}") as file:
            yield TensorsByPath(file)


def _check_classes(shape: Any) -> None:
    """Raise Refused for a network whose output (None, ..., k) is not a number per class."""
    if not isinstance(shape, tuple) or len(shape) < 2 or any(size != 1 for size in shape[1:-1]):
        raise Refused(f"gives images a tensor of shape {shape}, not a number per class")
    if not 1 <= shape[-1] <= MAX_CLASSES:
        raise Refused(
            f"gives {shape[-1]} numbers per image; at most {MAX_CLASSES} classes are read"
        )


def _refused(path: Path) -> AbstractContextManager[None]:
    return refusing(f"'{path}'", _DAMAGE)
