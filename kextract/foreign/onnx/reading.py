"""From an `.onnx` file to a Keras model that computes the same and has gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kextract import runtime
from kextract.errors import CheckpointError, RequestError, UnsupportedOperatorError
from kextract.foreign.onnx.graph import Graph
from kextract.foreign.onnx.loading import NUMBERS, load_graph
from kextract.foreign.onnx.refusing import NotRead, Refused, Unclear
from kextract.models.axes import CHANNELS, Shape, image_shape

if TYPE_CHECKING:
    import keras

MAX_SIDE = 1 << 14
_NUMBER_BY_NUMBER = frozenset(
    {"Add", "Sub", "Mul", "Div", "Cast", "Identity", "Clip", "Neg", "Pad", "Relu"}
)
_OF_IMAGES = frozenset(
    {
        *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
        *("BatchNormalization", "InstanceNormalization", "Resize", "Upsample", "LRN"),
    }
)
_FLOAT16 = 10


@dataclass(frozen=True, kw_only=True)
class OnnxNetwork:
    """A network read from an ONNX file."""

    model: "keras.Model"
    """Maps float32 images to (n, k). Its input is (n, h, w, c) where the file takes images by
    channels, whichever come first there, and as in the file where that has other axes."""
    input_shape: Shape
    """Height, width and channels of one image."""
    dims: tuple[int, ...]
    """The input's axes in the file, a batch of one first."""
    channels_first: bool
    """Whether the file takes (n, c, h, w)."""
    numbers: str
    """What the file's input consists of, such as `float32` or `uint8`: values, not scaled."""
    head: str
    """What the file's network ends in: `softmax` or `sigmoid`, which the model has not; `logits`;
    or `unknown`, where outputs have to tell."""
    classes: int
    """Numbers per image in the output; at least 1."""
    input_name: str
    output_name: str
    opset: int
    producer: str
    notes: tuple[str, ...]
    """What a user should know, each a line."""


def read_onnx(
    path: Path, *, input_shape: Shape | None = None, output_name: str | None = None
) -> OnnxNetwork:
    """Read a classifier; nothing of the file is run or trusted.

    `input_shape` (h, w, c) is for axes that the file leaves open, and must agree with the others.
    `output_name` chooses one of several outputs. The network is that for a batch of one, of which
    Keras makes any. Weights are trainable variables of Keras's own layers, batch normalizations
    among them, in float32.

    Raises UnsupportedOperatorError, which names the node, for what is sound but not read: the file
    may still be used as a black box. Raises CheckpointError for a file that is missing, damaged or
    no classifier of images, and RequestError where an argument is missing or does not fit.
    """
    with _refused(path):
        graph = load_graph(path, output_name)
        channels_first = _has_channels_first(graph)
        dims, shape = _sizes(graph, channels_first, input_shape)
        # Only now: TensorFlow takes seconds to start.
        runtime.start()
        from kextract.foreign.onnx.building import build

        built = build(graph, channels_first=channels_first, sizes=dims[1:])
        notes = []
        if graph.image.dims and graph.image.dims[0] not in (None, 1):
            notes.append(f"takes {graph.image.dims[0]} images at once; read as a network of one")
        if graph.image.kind == _FLOAT16:
            notes.append("computes in float16; read in float32")
        return OnnxNetwork(
            model=built.model,
            input_shape=shape,
            dims=dims,
            channels_first=channels_first,
            numbers=NUMBERS[graph.image.kind],
            head=built.head,
            classes=int(built.model.output_shape[-1]),
            input_name=graph.image.name,
            output_name=graph.output.name,
            opset=graph.opset,
            producer=graph.producer,
            notes=tuple(notes),
        )


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file into one line that names it."""
    try:
        yield
    except NotRead as error:
        raise UnsupportedOperatorError(f"'{path}': {error}") from error
    except Unclear as error:
        raise RequestError(f"'{path}': {error}") from error
    except Refused as error:
        raise CheckpointError(f"'{path}': {error}") from error
    except OSError as error:
        raise CheckpointError(f"'{path}': cannot be read ({error.strerror})") from error
    except MemoryError as error:
        raise CheckpointError(f"'{path}': is too large for this machine's memory") from error


def _has_channels_first(graph: Graph) -> bool:
    """Tell the order of an image's axes by what is done to it first, else by its sizes."""
    names = {graph.image.name}
    for node in graph.nodes:
        if not node.inputs or node.inputs[0] not in names:
            continue
        if node.op in _NUMBER_BY_NUMBER:
            names.update(node.outputs)
        elif node.op in _OF_IMAGES:
            return True
        elif node.op == "Transpose" and node.attributes.get("perm") == (0, 3, 1, 2):
            return False
    axes = (graph.image.dims or ())[1:]
    return len(axes) != 3 or axes[0] in CHANNELS or axes[2] not in CHANNELS


def _sizes(
    graph: Graph, channels_first: bool, given: Shape | None
) -> tuple[tuple[int, ...], Shape]:
    """Give the input's axes, a batch of one first, and the shape (h, w, c) of an image."""
    dims = graph.image.dims or ()
    if not 2 <= len(dims) <= 4:
        raise Refused(f"takes an input of {len(dims)} axes; a classifier of images has 2 to 4")
    axes = dims[1:]
    if given is not None:
        height, width, channels = given
        if not all(0 < size <= MAX_SIDE for size in given):
            raise Unclear(f"--input-shape {_text(given)}: sizes are 1 to {MAX_SIDE}")
        wanted = {
            3: (channels, height, width) if channels_first else given,
            2: (height, width),
            1: (height * width * channels,),
        }[len(axes)]
        fits = len(axes) != 2 or channels == 1
        if not fits or any(
            size not in (None, want) for size, want in zip(axes, wanted, strict=True)
        ):
            found = " x ".join("any" if size is None else str(size) for size in axes)
            raise Unclear(f"--input-shape {_text(given)} (HEIGHT,WIDTH,CHANNELS): it takes {found}")
        return (1, *wanted), given
    known = tuple(size for size in axes if size is not None)
    if len(known) < len(axes):
        raise Unclear(
            "leaves the size of its images open: pass --input-shape HEIGHT,WIDTH,CHANNELS, such as"
            " --input-shape 224,224,3"
        )
    if len(known) > 1 and max(known) > MAX_SIDE:
        raise Refused(f"takes images of {_text(known)}; sides are at most {MAX_SIDE}")
    if len(known) == 3:
        first, second, third = known
        return (1, *known), (second, third, first) if channels_first else (first, second, third)
    shape = image_shape(known)
    if shape is None:
        raise Unclear(
            f"takes rows of {_text(known)} numbers: pass --input-shape HEIGHT,WIDTH,CHANNELS"
        )
    return (1, *known), shape


def _text(sizes: tuple[int, ...]) -> str:
    return ",".join(map(str, sizes))
