"""From an `.onnx` file to a Keras model that computes the same and has gradients."""

from pathlib import Path

from kextract import runtime
from kextract.foreign.network import ReadNetwork, refused, sizes_of
from kextract.foreign.onnx.loading import NUMBERS, load_graph
from kextract.foreign.onnx.registry import Graph
from kextract.models.axes import CHANNELS, Shape

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


def read_onnx(
    path: Path, *, input_shape: Shape | None = None, output_name: str | None = None
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
    with refused(path):
        graph = load_graph(path, output_name)
        channels_first = _has_channels_first(graph)
        dims, shape = sizes_of(graph.image.dims or (), channels_first, input_shape)
        # Only now: TensorFlow takes seconds to start.
        runtime.start()
        from kextract.foreign.onnx.building import build

        built = build(graph, channels_first=channels_first, sizes=dims[1:])
        notes = []
        if graph.image.dims and graph.image.dims[0] not in (None, 1):
            notes.append(f"takes {graph.image.dims[0]} images at once; read as a network of one")
        if graph.image.kind == _FLOAT16:
            notes.append("computes in float16; read in float32")
        return ReadNetwork(
            model=built.model,
            input_shape=shape,
            numbers=NUMBERS[graph.image.kind],
            head=built.head,
            classes=int(built.model.output_shape[-1]),
            output_name=graph.output.name,
            notes=tuple(notes),
        )


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
