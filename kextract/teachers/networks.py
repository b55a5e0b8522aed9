"""Files that a runtime of their own executes, read as networks: with kernels, features, gradients.

What is read is compared with the file's own runtime before anything is done with it, where that is
installed. What cannot be read, or does not compute the same, stays a black box.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kextract import runtime
from kextract.datasets.images import scale, unscale
from kextract.errors import MissingExtraError, RequestError, UnsupportedOperatorError
from kextract.foreign import ExternalNetwork
from kextract.foreign.network import read_onnx, read_tflite
from kextract.models.axes import Shape
from kextract.models.heads import Head, decide
from kextract.models.input_range import PIXELS, Preprocessing, RangeGuess
from kextract.storage.opening import Identified, Kind, examine
from kextract.teachers.black_box import pairs, softmax
from kextract.text import one_line

if TYPE_CHECKING:
    import keras

_RUNTIMES = {Kind.ONNX: "onnxruntime", Kind.TFLITE: "LiteRT"}
FARTHEST, LEAST_AGREEMENT = 0.05, 0.9
"""What rounding may explain: a difference of probabilities, or else a share of images, some of them
noise, that both put into the same class."""
LEAST_WITH_INTEGERS = 0.5
"""The same share where the file's features are integers, which made-up images may saturate."""


_READINGS = {
    "softmax": ("probabilities",),
    "sigmoid": ("sigmoids", "probabilities"),
    "logits": ("logits", "label-logits"),
}
"""What a file's outputs can be by what it ends in, the usual first."""
_ENDS = {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}
"""Black and white in files that take integers without a scale."""


class NotANetworkError(Exception):
    """A file can only be used as a black box; the text says why."""


def read_file(
    where: Path | Identified,
    *,
    input_shape: Shape | None = None,
    input_range: Preprocessing | None = None,
    outputs: str | None = None,
    output_name: str | None = None,
    images: int = 16,
) -> ExternalNetwork:
    """Read an .onnx or .tflite file as a network and compare it with the file's own runtime.

    That is on so many made-up `images`.
    Raises NotANetworkError where it can only be a black box, CheckpointError for a file that is
    missing or damaged, RequestError for options that do not fit.
    """
    identified = examine(where)
    path = identified.path
    try:
        read = read_onnx if identified.kind is Kind.ONNX else read_tflite
        found = read(identified.where, input_shape=input_shape, output_name=output_name)
    except UnsupportedOperatorError as error:
        raise NotANetworkError(f"{error}: only its outputs are seen") from error
    runtime.start()
    from kextract.models.adapter import adapt
    from kextract.models.infer_range import guess_input_range

    ends = found.input_ends or _ENDS.get(found.numbers)
    if found.input_range is not None:
        guess = RangeGuess(found.input_range, "its file says so", True)
    elif ends is not None:
        guess = RangeGuess(Preprocessing(*ends), f"it takes {found.numbers}", True)
    else:
        guess = guess_input_range(found.model, found.input_shape)
    taken = input_range or guess.preprocessing or PIXELS
    taken.check_fits(found.input_shape)
    model, head = _head(path, found.model, found.input_shape, found.head, outputs)
    network = adapt(model, found.input_shape, head=head, input_range=taken)
    notes = list(found.notes)
    try:
        difference, agreement = compared(
            identified, network, found.input_shape, taken, head, output_name, images
        )
    except RequestError as error:
        words = f"not compared with its runtime: {error}"
        if not isinstance(error, MissingExtraError):
            notes.append(f"is {words}")
    else:
        words = (
            f"agrees with {_RUNTIMES[identified.kind]} on {agreement:.1%} of"
            f" {'the labels of ' if head.by_label else ''}{images} images, probabilities differ by"
            f" {difference:.2g} at most"
        )
        least = LEAST_AGREEMENT if found.input_ends is None else LEAST_WITH_INTEGERS
        if agreement < least and difference > FARTHEST:
            raise NotANetworkError(
                f"'{path}': the network that was read {words}: only its outputs are seen"
            )
    return ExternalNetwork(
        model=network,
        network=model,
        input_shape=found.input_shape,
        head=head,
        outputs={found.output_name: str(found.classes)},
        input_range=taken,
        guess=guess,
        about={"compared": words},
        notes=tuple(f"'{path}': {note}" for note in notes),
    )


def _head(
    path: Path, model: "keras.Model", shape: Shape, ending: str, requested: str | None
) -> "tuple[keras.Model, Head]":
    """Say what the file's outputs are; a softmax or sigmoid at its end was taken off.

    Sigmoids that are said to be the shares of classes are put back.
    """
    import keras

    possible, numbers = _READINGS.get(ending), int(model.output_shape[-1])
    if possible is not None:
        usual = possible[0]
        if requested not in (None, *possible):
            raise RequestError(
                f"--outputs {requested}: '{path}' ends in what makes {' or '.join(possible)};"
                " leave it out"
            )
        if requested not in (None, usual):
            if ending == "sigmoid":
                model = keras.Model(model.input, keras.layers.Activation(ending)(model.output))
            return model, Head(str(requested), numbers=numbers)
        reason = "it ends in a matrix product" if usual == "logits" else f"it ends in a {ending}"
        return model, Head(usual, reason, taken_off=usual != "logits", numbers=numbers)
    from kextract.models.axes import arranged
    from kextract.models.made_up_images import of_all_kinds

    def given(count: int) -> np.ndarray:
        images = of_all_kinds(shape)[:count].astype(np.float32)
        return np.asarray(model(arranged(images, model.input_shape[1:]), training=False))

    return model, decide(given(2), lambda: given(10_000), None, requested)


def compared(
    where: Path | Identified,
    network: "keras.Model",
    shape: Shape,
    taken: Preprocessing,
    head: Head,
    output_name: str | None,
    images: int = 16,
) -> tuple[float, float]:
    """Give made-up images to a network and to the file's own runtime.

    Half are noise, a quarter each like photographs and like drawings. Returns the largest
    difference of probabilities, and the share of images that both put into the same class, or of
    labels at 0.5. Raises NotANetworkError for other outputs, and RequestError where the runtime is
    not installed or cannot run the file.
    """
    from kextract.models.cost import at_once, in_batches
    from kextract.models.made_up_images import drawings, photographs
    from kextract.teachers.black_box import FileOptions
    from kextract.teachers.opening import open_model_file

    identified = examine(where)
    options = FileOptions(
        input_shape=shape,
        input_range=taken,
        threads=1,
        outputs=head.outputs if head.outputs != "labels" else None,
        output_name=output_name,
    )
    file = open_model_file(identified, options)
    noise = np.random.default_rng(0).integers(0, 256, (images // 2, *shape), np.uint8)
    drawn = np.concatenate([kind(images // 4, shape) for kind in (photographs, drawings)])
    pixels = np.concatenate([noise, unscale(2 * drawn - 1)])
    size = at_once(network, images, all_held=True)
    logits = in_batches(lambda part: network(scale(part), training=False), pixels, size)
    expected = np.asarray(file(pixels), np.float32)
    if file.outputs == "logits":
        expected = softmax(expected)
    found = softmax(pairs(logits))[..., 1] if head.by_label else softmax(logits)
    if found.shape != expected.shape:
        raise NotANetworkError(
            f"'{identified.path}': its runtime gives {one_line(expected.shape)}, the network read"
            f" from it {one_line(found.shape)}: only its outputs are seen"
        )
    if head.by_label:
        same = (found > 0.5) == (expected > 0.5)
    else:
        same = found.argmax(axis=1) == expected.argmax(axis=1)
    return float(np.abs(found - expected).max()), float(same.mean())
