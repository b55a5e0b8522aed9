"""From a `.tflite` file to a Keras model that computes the same and has gradients."""

from pathlib import Path

import numpy as np

from kextract import runtime
from kextract.foreign.network import ReadNetwork, refused, sizes_of
from kextract.foreign.tflite.writing import KINDS
from kextract.models.axes import Shape


def read_tflite(
    path: Path, *, input_shape: Shape | None = None, output_name: str | None = None
) -> ReadNetwork:
    """Read a classifier; nothing of the file is run or trusted.

    `input_shape` (h, w, c) is for axes that the file leaves open, and must agree with the others.
    `output_name` chooses one of several outputs. The network is that for a batch of one, of which
    Keras makes any. Integers with a scale become the real values that they stand for, as weights
    of Keras's own layers in float32; `input_ends` says which values an input of integers has.

    Raises UnsupportedOperatorError, which names the operator, for what is sound but not read: the
    file may still be used as a black box. Raises CheckpointError for a file that is missing,
    damaged or no classifier of images, and RequestError where an argument is missing or does not
    fit.
    """
    with refused(path):
        # The schema of the format is TensorFlow's.
        runtime.start()
        from kextract.foreign.onnx.building import build
        from kextract.foreign.tflite.loading import load_graph

        loaded = load_graph(path, output_name)
        dims, shape = sizes_of(loaded.graph.image.dims or (), False, input_shape)
        built = build(loaded.graph, channels_first=False, sizes=dims[1:])
        batch = loaded.image.shape[0]
        notes = [f"takes {batch} images at once; read as a network of one"] if batch > 1 else []
        return ReadNetwork(
            model=built.model,
            input_shape=shape,
            numbers=np.dtype(KINDS[loaded.image.kind]).name,
            input_ends=loaded.image.real_ends(),
            head=built.head,
            classes=int(built.model.output_shape[-1]),
            output_name=loaded.output.name,
            notes=tuple(notes),
        )
