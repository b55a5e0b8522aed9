"""Classifiers in TensorFlow's SavedModel folders, asked through a signature."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.errors import RequestError
from kextract.teachers.layout import Numbers
from kextract.teachers.model_file import Network, refusing

SIGNATURE = "serving_default"


def open_saved_model(path: Path) -> Network:
    """Open a SavedModel whose `serving_default` takes one batch of images.

    Of several outputs the first floating-point one, in the order of their names, is the answer.
    Loading runs what is in the graph, and a graph may read and write files: give it only folders
    that you trust. Raises RequestError for what cannot be read.
    """
    runtime.start()
    import tensorflow as tf

    with refusing(path, "TensorFlow"):
        # What is wrong is in the error; native code tells its own story besides.
        with runtime.native_stderr_held(show_on_failure=False):
            loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures.get(SIGNATURE)
        if signature is None:
            raise RequestError(f"'{path}' has no signature '{SIGNATURE}'")
        inputs = signature.structured_input_signature[1]
        if len(inputs) != 1:
            raise RequestError(f"'{path}' has {len(inputs)} inputs; a classifier of images has one")
        ((name, images),) = inputs.items()
        outputs = signature.structured_outputs
        floats = [key for key in sorted(outputs) if outputs[key].dtype.is_floating]
        answer = (floats or sorted(outputs))[0]

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            # Variables may be freed together with the object that they were loaded with.
            assert loaded is not None
            return np.asarray(signature(**{name: tf.constant(batch)})[answer].numpy())

        dims = tuple(images.shape) if images.shape.rank is not None else (None,) * 4
        return Network(run, dims, Numbers(np.dtype(images.dtype.as_numpy_dtype)))
