"""Whether a network that was read computes what onnxruntime computes of the same file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.foreign.onnx.reading import OnnxNetwork
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.text import one_line, shortened

Floats = NDArray[np.float32]
IMAGES = 16
_AT_ONCE = 4
_DTYPES = {"double": "float64"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a network is from its file."""

    images: int
    difference: float
    """The largest, of any output of any image, as a share of the range of the file's outputs."""
    agreement: float
    """The share of images that both put into the same class, or of labels at 0.5."""


def check_against_onnxruntime(
    network: OnnxNetwork,
    path: Path,
    *,
    images: int = IMAGES,
    input_range: Preprocessing = PIXELS,
    threads: int | None = 1,
) -> Comparison | None:
    """Give random and made-up images to both; None where onnxruntime is not installed.

    Outputs are compared as the file has them: a softmax or sigmoid that was taken off is put back.
    `input_range` says how black and white are given. The runtime is native code. Raises
    RequestError where it cannot run the file.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        return None
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    expected, found = [], []
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for pixels in _images(network, images):
            given = input_range.apply(pixels)
            if network.numbers.startswith(("uint", "int")):
                given = np.rint((pixels + 1) * 127.5).astype(np.float32)
            expected.append(_run(session, network, given))
            found.append(_ours(network, given))
    except Exception as error:  # Each of the runtime's failures has a type of its own.
        why = shortened(one_line(error), 200)
        raise RequestError(f"'{path}': onnxruntime cannot run it: {why}") from error
    return compared(
        np.concatenate(expected), np.concatenate(found), by_label=network.head == "sigmoid"
    )


def compared(expected: Floats, found: Floats, *, by_label: bool) -> Comparison:
    """Compare outputs (n, k), which are labels on their own or else those of one class."""
    spread = float(np.ptp(expected)) or 1.0
    difference = float(np.abs(expected - found).max()) / spread
    if not np.isfinite(difference):
        difference = float("inf")
    if by_label or expected.shape[1] == 1:
        same = (expected > 0.5) == (found > 0.5)
    else:
        same = expected.argmax(axis=1) == found.argmax(axis=1)
    return Comparison(len(expected), difference, float(np.mean(same)))


def _images(network: OnnxNetwork, count: int) -> Iterator[Floats]:
    """Yield batches (n, h, w, c) in [-1, 1], noise first."""
    from kextract.models.made_up_images import drawings, photographs

    noise = count - count // 2
    random = np.random.default_rng(0)
    for start in range(0, noise, _AT_ONCE):
        size = min(_AT_ONCE, noise - start)
        yield random.uniform(-1, 1, (size, *network.input_shape)).astype(np.float32)
    drawn = (count - noise) // 2
    for kind, size in ((photographs, count - noise - drawn), (drawings, drawn)):
        if size:
            yield 2 * kind(size, network.input_shape) - 1


def _run(session: Any, network: OnnxNetwork, images: Floats) -> Floats:
    """Run the file on one image after the other, since some take no more."""
    dtype = _DTYPES.get(network.numbers, network.numbers)
    # The runtime wants an input that nothing depends on too.
    others = {
        taken.name: np.zeros([size if isinstance(size, int) else 1 for size in taken.shape], "f")
        for taken in session.get_inputs()
        if taken.name != network.input_name
    }
    rows = []
    for image in images:
        axes = image.transpose(2, 0, 1) if network.channels_first else image
        given = np.ascontiguousarray(axes).astype(dtype).reshape(network.dims)
        (output,) = session.run([network.output_name], {**others, network.input_name: given})
        rows.append(np.asarray(output, np.float32).reshape(-1))
    return np.stack(rows)


def _ours(network: OnnxNetwork, images: Floats) -> Floats:
    given = images.reshape(len(images), *network.model.input_shape[1:])
    outputs: Floats = network.model(given, training=False).numpy()
    return with_head(outputs, network.head)


def with_head(logits: Floats, head: str) -> Floats:
    """Put back what a file's network ends in."""
    if head == "softmax":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-logits))) if head == "sigmoid" else logits
