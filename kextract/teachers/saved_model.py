"""Classifiers in TensorFlow's SavedModel folders, asked through a signature."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.errors import RequestError
from kextract.models.heads import choose_output, last_operation, size_text
from kextract.teachers.model_file import Network, Numbers, refusing

SIGNATURE = "serving_default"
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_CONSTANT = ("Const", "Placeholder", "ReadVariableOp", "VarHandleOp")
_DEEPEST = 8
"""Functions within functions that are looked into."""


def open_saved_model(path: Path, output_name: str | None = None) -> Network:
    """Open a SavedModel whose `serving_default` takes one batch of images.

    Of several outputs `output_name` says which is meant. Loading runs what is in the graph, and a
    graph may read and write files: give it only folders that you trust. Raises RequestError for
    what cannot be read, and SeveralOutputsError.
    """
    runtime.start()
    import tensorflow as tf

    with refusing(path, "TensorFlow"):
        # What is wrong is in the error; native code prints more besides.
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
        sizes = {
            key: size_text(outputs[key].shape[1:] if outputs[key].shape.rank else ())
            for key in sorted(outputs)
        }
        answer = choose_output(path, sizes, output_name)

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            # Variables may be freed together with the object that they were loaded with.
            assert loaded is not None
            return np.asarray(signature(**{name: tf.constant(batch)})[answer].numpy())

        dims = tuple(images.shape) if images.shape.rank is not None else (None,) * 4
        return Network(
            run,
            dims,
            Numbers(np.dtype(images.dtype.as_numpy_dtype)),
            _last_operation(signature, answer),
            {answer: sizes.pop(answer), **sizes},
        )


def _last_operation(signature: Any, output: str) -> str | None:
    """Name the last operation before an output, those of functions that are called included."""
    graph = signature.graph.as_graph_def()
    functions = {function.signature.name: function for function in graph.library.function}
    # The dictionary is in any order; TensorFlow lists the tensors in that of their names.
    place = sorted(signature.structured_outputs).index(output)
    return last_operation(_producers(graph.node, functions), signature.outputs[place].name)


def _producers(
    nodes: Any, functions: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[str, list[str]]]:
    """Say which operation makes each tensor; functions are put in the place of their calls."""
    found: dict[str, tuple[str, list[str]]] = {}
    for node in nodes:
        given = [prefix + _tensor(name) for name in node.input if not name.startswith("^")]
        if node.op in _CALLS and prefix.count("/call/") < _DEEPEST:
            called, within = functions[node.attr["f"].func.name], f"{prefix}{node.name}/call/"
            found |= _producers(called.node_def, functions, within)
            for argument, tensor in zip(called.signature.input_arg, given, strict=False):
                found[f"{within}{argument.name}:0"] = ("Identity", [tensor])
            for number, argument in enumerate(called.signature.output_arg):
                made = within + _tensor(called.ret[argument.name])
                found[f"{prefix}{node.name}:{number}"] = ("Identity", [made])
        elif node.op not in _CONSTANT:
            found[f"{prefix}{node.name}:0"] = (node.op, given)
    return found


def _tensor(name: str) -> str:
    """Bring `node`, `node:1` and `node:output:1` to node and number."""
    node, *rest = name.split(":")
    return f"{node}:{rest[-1] if rest else 0}"
