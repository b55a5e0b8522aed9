"""Classifiers in TFLite files, run by the LiteRT interpreter."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import MissingExtraError, RequestError
from kextract.hdf5.safe_hdf5 import OpenFile, opened, path_of
from kextract.models.heads import (
    Producers,
    choose_output,
    distinct,
    last_operation,
    size_text,
)
from kextract.runtime import native_stderr_held
from kextract.teachers.model_file import Network, Numbers, refusing


def open_tflite(
    where: Path | OpenFile, threads: int | None = None, output_name: str | None = None
) -> Network:
    """Open a TFLite file with one input, of floating-point numbers or of integers with a scale.

    Of several outputs `output_name` says which is meant; integers with a scale become the real
    values that they stand for. The interpreter is native code: give it only files that you trust.
    Raises RequestError for what cannot be read, and SeveralOutputsError.
    """
    path = path_of(where)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise MissingExtraError(f"'{path}' needs LiteRT", "tflite") from None
    with refusing(path, "LiteRT"), opened(where) as file:
        # It greets on the terminal from native code.
        with native_stderr_held():
            interpreter = Interpreter(model_content=file.content(), num_threads=threads)
            interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), _outputs(interpreter)
        if len(inputs) != 1:
            raise RequestError(f"'{path}' has {len(inputs)} inputs; a classifier of images has one")
        sizes = {name: size_text(map(int, about["shape"][1:])) for name, about in outputs.items()}
        chosen = choose_output(path, sizes, output_name)
        images, answer = inputs[0], outputs[chosen]
        made = Numbers(np.dtype(answer["dtype"]), *answer["quantization"])
        shape = tuple(images["shape"])

        def run(batch: NDArray[Any]) -> NDArray[Any]:
            nonlocal shape
            if shape != batch.shape:
                interpreter.resize_tensor_input(images["index"], batch.shape, strict=True)
                with native_stderr_held():
                    interpreter.allocate_tensors()
                shape = batch.shape
            interpreter.set_tensor(images["index"], batch)
            interpreter.invoke()
            return made.reals(interpreter.get_tensor(answer["index"]))

        signature = images["shape_signature"] if len(images["shape_signature"]) else images["shape"]
        dims = tuple(int(axis) if axis > 0 else None for axis in signature)
        return Network(
            run,
            dims,
            Numbers(np.dtype(images["dtype"]), *images["quantization"]),
            last_operation(_producers(interpreter), str(answer["index"])),
            {chosen: sizes.pop(chosen), **sizes},
        )


def _outputs(interpreter: Any) -> dict[str, Any]:
    """Give what is known of each output, by the names of its signature, or of its tensors."""
    details = interpreter.get_output_details()
    signatures = interpreter.get_signature_list()
    if len(signatures) == 1:
        named = interpreter.get_signature_runner().get_output_details()
        places = {about["index"]: name for name, about in named.items()}
        if len(places) == len(details):
            return {places[about["index"]]: about for about in details}
    return dict(zip(distinct(about["name"] for about in details), details, strict=True))


def _producers(interpreter: Any) -> Producers:
    """Read which operator makes each tensor, by number; nothing where LiteRT does not show it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for operator in getattr(interpreter, "_get_ops_details", list)():
        if operator["op_name"] != "DELEGATE":
            inputs = [str(place) for place in operator["inputs"]]
            found |= {str(place): (operator["op_name"], inputs) for place in operator["outputs"]}
    return found
