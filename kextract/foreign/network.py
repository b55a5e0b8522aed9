"""From an `.onnx` or `.tflite` file to a Keras model that computes the same and has gradients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kextract import runtime
from kextract.errors import (
    CheckpointError,
    NotRead,
    Refused,
    RequestError,
    Unclear,
    UnsupportedOperatorError,
)
from kextract.foreign.onnx.loading import load_graph as load_onnx
from kextract.foreign.onnx.registry import Graph
from kextract.foreign.tflite.loading import load_graph as load_tflite
from kextract.hdf5.safe_hdf5 import OpenFile, opened, path_of
from kextract.models.axes import Dims, Layout, Shape, layouts
from kextract.models.heads import SeveralOutputsError
from kextract.models.input_range import Preprocessing

if TYPE_CHECKING:
    import keras

MAX_SIDE = 1 << 14
PHOTOGRAPH = (224, 224, 3)


@dataclass(frozen=True, kw_only=True)
class ReadNetwork:
    """A network read from a file of another program."""

    model: "keras.Model"
    """Maps float32 images to (n, k). Its input is (n, h, w, c) where the file takes images by
    channels, whichever come first there, and as in the file where that has other axes."""
    input_shape: Shape
    """Height, width and channels of one image."""
    numbers: str
    """What the file's input consists of, such as `float32` or `uint8`."""
    input_ends: tuple[float, float] | None = None
    """What the model takes for the least and the largest integer, where those of the file's input
    have a scale: black and white, if nothing else is said. None where numbers stand for
    themselves."""
    input_range: Preprocessing | None = None
    """What the file's metadata says of its pixels; only files that kextract wrote do."""
    head: str
    """What the file's network ends in: `softmax` or `sigmoid`, which the model has not; `logits`;
    or `unknown`, where outputs have to tell."""
    classes: int
    """Numbers per image in the output; at least 1."""
    output_name: str
    notes: tuple[str, ...]
    """What a user should know, each a line."""


def read_onnx(
    where: Path | OpenFile, *, input_shape: Shape | None = None, output_name: str | None = None
) -> ReadNetwork:
    """Read a classifier; nothing of the file is run or trusted.

    `input_shape` (h, w, c) is for axes that the file leaves open, and must agree with the others.
    `output_name` chooses one of several outputs. The network is that for a batch of one, of which
    Keras makes any. Weights are trainable variables of Keras's own layers, batch normalizations
    among them, in float32.

    Raises UnsupportedOperatorError, which names the node, for what is sound but not read: the file
    may still be used as a black box. Raises CheckpointError for a file that is missing, damaged or
    no classifier of images, and RequestError where an argument is missing or does not fit.
    """
    return _read(load_onnx, where, input_shape, output_name)


def read_tflite(
    where: Path | OpenFile, *, input_shape: Shape | None = None, output_name: str | None = None
) -> ReadNetwork:
    """Do as `read_onnx`.

    Integers with a scale become the real values that they stand for, as weights in float32;
    `input_ends` says which values an input of integers has.
    """
    return _read(load_tflite, where, input_shape, output_name)


def _read(
    load: Callable[[OpenFile, str | None], Graph],
    where: Path | OpenFile,
    input_shape: Shape | None,
    output_name: str | None,
) -> ReadNetwork:
    with refused(path_of(where)), opened(where) as file:
        graph = load(file, output_name)
        layout = layout_of(graph.image.dims or (), graph.channels_first, input_shape)
        # Only now: TensorFlow takes seconds to start.
        runtime.start()
        from kextract.foreign.onnx.building import build

        model, head = build(graph, layout.axes)
        notes, batch = graph.notes, (graph.image.dims or (1,))[0]
        if batch not in (None, 1):
            notes = (f"takes {batch} images at once; read as a network of one", *notes)
        return ReadNetwork(
            model=model,
            input_shape=layout.shape,
            numbers=graph.numbers,
            input_ends=graph.input_ends,
            input_range=graph.input_range,
            head=head,
            classes=int(model.output_shape[-1]),
            output_name=graph.output_name,
            notes=notes,
        )


def glance_at(
    file: OpenFile, *, tflite: bool, input_shape: Shape | None, output_name: str | None
) -> tuple[Shape, bool]:
    """Say which images a file takes and whether it normalizes by batches; nothing is built.

    Where it leaves the size of images open, and nothing is said, they are taken for photographs.
    Raises UnsupportedOperatorError for what is not read as a network at all.
    """
    with refused(file.path):
        graph = (load_tflite if tflite else load_onnx)(file, output_name)
    normalizes = any(node.op == "BatchNormalization" for node in graph.nodes)
    match (graph.image.dims or ())[1:]:
        case (int(first), int(second), int(third)) if input_shape is None:
            shape = (second, third, first) if graph.channels_first else (first, second, third)
            return shape, normalizes
    return input_shape or PHOTOGRAPH, normalizes


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into one line that names it."""
    try:
        yield
    except NotRead as error:
        raise UnsupportedOperatorError(f"'{path}': {error}") from error
    except SeveralOutputsError as error:
        raise SeveralOutputsError(f"'{path}' {error}", error.sizes) from error
    except Unclear as error:
        raise RequestError(f"'{path}': {error}") from error
    except Refused as error:
        raise CheckpointError(f"'{path}': {error}") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"'{path}': no such file") from error
    except OSError as error:
        raise CheckpointError(f"'{path}': cannot be read ({error.strerror})") from error
    except MemoryError as error:
        raise CheckpointError(f"'{path}': is too large for this machine's memory") from error


def layout_of(dims: Dims, channels_first: bool, given: Shape | None) -> Layout:
    """Say how a file takes an image. Raises Refused, or Unclear where --input-shape has to."""
    if len(dims) == 3 and dims[0] == 3:
        found = " x ".join(map(str, dims))
        raise Refused(
            f"takes an input of {found}, without an axis for the batch: export it with one"
        )
    if given is not None and not all(0 < size <= MAX_SIDE for size in given):
        raise Unclear(f"--input-shape {','.join(map(str, given))}: sizes are 1 to {MAX_SIDE}")
    layout, *_ = layouts(dims, given, channels_first)
    if len(dims) > 2 and max(layout.shape) > MAX_SIDE:
        raise Refused(f"takes images of {layout.shape}; sides are at most {MAX_SIDE}")
    return layout
