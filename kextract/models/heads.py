"""What a classifier's outputs are, decided here for teachers and students, in files and in memory.

In a graph, the last operation that changes values decides: a softmax, a sigmoid, a matrix product.
Otherwise the signs and sums of the outputs decide, for many images of several kinds
(`made_up_images.of_all_kinds`), because a few images of noise give nearly equal rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kextract.errors import RequestError
from kextract.text import one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

PER_LABEL = ("sigmoids", "label-logits")
"""Outputs of independent labels: their probabilities, or the logits of these. A single output is
that of the second of two classes."""
OUTPUTS = ("logits", "probabilities", "log-probabilities", *PER_LABEL)
"""What outputs (n, k) can be."""
MAX_CLASSES = 100_000
"""The most classes that a file may declare."""

Producers = Mapping[str, tuple[str, Sequence[str]]]
"""A graph: tensor name to the operation that produces it and the names of its inputs. Weights and
other constants have no entry."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PASSING = _words(
    """
    cast castlike dequantize dequantizelinear dropout ensureshape expanddims flatten identity
    quantize quantizelinear reshape squeeze stopgradient unsqueeze
    """
)
"""Operations that only change shape or precision."""
_LINEAR = _words(
    """
    batchmatmul batchmatmulv2 biasadd conv conv2d dense fullyconnected fusedmatmul gemm linear
    matmul qlinearconv qlinearmatmul
    """
)
_RECTIFIED = _words("elu gelu leakyrelu prelu relu relu6 selu silu softplus")
_BY_OPERATION = {
    "softmax": "probabilities",
    "logsoftmax": "log-probabilities",
    "sigmoid": "sigmoids",
    "logistic": "sigmoids",
    "batchnormalization": "logits",
} | dict.fromkeys(_LINEAR | _RECTIFIED, "logits")

_MOST_CASTS = 20
"""How many `_PASSING` operations may lie between a constant and its use."""
_ROUNDING = 1e-3
"""How far float32 probabilities of many classes may sum from 1."""
_PARTS = 1.5
"""A row of probabilities with a larger sum holds several distributions."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a network's outputs are, and how that is known."""

    outputs: str
    """One of `OUTPUTS`, or `labels` for integer outputs."""
    reason: str = "it was specified"
    """A few words for a message, after a colon."""
    confident: bool = True
    """Whether it may be used without a warning."""
    taken_off: bool = False
    """Whether the softmax or sigmoid that made them from logits was removed from the network."""
    numbers: int = 1
    """Outputs per image."""

    @property
    def by_label(self) -> bool:
        """Whether labels are independent: an image may have several of them, or none."""
        return self.numbers > 1 and self.outputs in PER_LABEL

    @property
    def given(self) -> str:
        """What a runtime returns: `logits`, `probabilities` or one of `PER_LABEL`."""
        if self.by_label:
            return self.outputs
        return "probabilities" if self.outputs in ("probabilities", "sigmoids") else "logits"

    def notes(self, path: object) -> tuple[str, ...]:
        """Say what outputs are taken for where that is not sure, or an image may have several."""
        if self.confident and self.by_label:
            return (
                f"'{path}' says of each of its {self.numbers} labels on its own whether an image"
                f" has it: {self.reason}; --outputs probabilities takes them for classes, one per"
                " image",
            )
        if self.confident:
            return ()
        return (
            f"the outputs of '{path}' are taken for {self.outputs}: {self.reason}; --outputs says"
            " otherwise",
        )


LOGITS = Head("logits")


class SeveralOutputsError(RequestError):
    """A network has several outputs and none, or an unknown one, was chosen."""

    def __init__(self, text: str, sizes: Mapping[str, str]) -> None:
        super().__init__(text)
        self.sizes = sizes


def decide(
    few: "NDArray[Any]",
    many: "Callable[[], NDArray[Any]]",
    operation: str | None = None,
    requested: str | None = None,
) -> Head:
    """Decide what outputs (n, ...) are, for a network whose last operation is `operation`.

    `few` are the outputs for a few images. `many` returns those for images of all kinds, and is
    called only where the operation does not decide. `requested` is the user's choice.
    """
    numbers = _rows(few).shape[1]
    if requested is not None:
        return Head(requested, numbers=numbers)
    if few.dtype.kind in "iu":
        return Head("labels", "it gives whole numbers")
    known = _BY_OPERATION.get(plain_name(operation or ""))
    if known is not None and not _holds_parts(_rows(few), known):
        return Head(known, f"its last operation is {operation}", numbers=numbers)
    return replace(_by_numbers(_rows(many())), numbers=numbers)


def last_operation(producers: Producers, output: str) -> str | None:
    """Name the last operation before an output that changes values; None if it cannot be traced.

    A constant that is added to a matrix product counts as part of the product.
    """
    seen: set[str] = set()
    while output in producers and output not in seen:
        seen.add(output)
        operation, given = producers[output]
        name = plain_name(operation)
        made = [tensor for tensor in given if not _is_constant(producers, tensor)]
        if name in _PASSING and given:
            output = given[0]
        elif name in ("add", "addv2") and len(made) == 1 and len(given) > 1:
            before = last_operation(producers, made[0])
            return before if plain_name(before or "") in _LINEAR else operation
        else:
            return operation
    return None


def _is_constant(producers: Producers, tensor: str) -> bool:
    """Tell whether a tensor is a constant, possibly cast or reshaped."""
    for _ in range(_MOST_CASTS):
        if tensor not in producers:
            return True
        operation, given = producers[tensor]
        if plain_name(operation) not in _PASSING or not given:
            return False
        tensor = given[0]
    return False


def plain_name(operation: str) -> str:
    """Give `LogSoftmax`, `log_softmax` and `LOG_SOFTMAX` the same name."""
    return operation.replace("_", "").lower()


def choose_output(where: object, sizes: Mapping[str, str], requested: str | None) -> str:
    """Return the name of the requested output, or of the only one, given the sizes of all.

    Raises SeveralOutputsError for an unknown name, and for several outputs with none requested.
    """
    if requested in sizes:
        return str(requested)
    listed = ", ".join(f"{one_line(name)} ({size})" for name, size in sizes.items())
    if requested is not None:
        raise SeveralOutputsError(
            f"--output-name {requested}: '{where}' has no such output; it has {listed}", sizes
        )
    if len(sizes) != 1:
        first = one_line(next(iter(sizes), ""))
        raise SeveralOutputsError(
            f"'{where}' has {len(sizes)} outputs: {listed}; say which one classifies with"
            f" --output-name, such as --output-name {first}",
            sizes,
        )
    return next(iter(sizes))


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, with a number appended to those that repeat."""
    found: list[str] = []
    for name in names:
        same = sum(1 for other in found if other == name or other.startswith(f"{name}:"))
        found.append(f"{name}:{same}" if same else name)
    return found


def size_text(axes: Iterable[Any]) -> str:
    """Format the axes of an output without the batch, such as 8x8x10."""
    sizes = [str(axis) if isinstance(axis, int) and axis > 0 else "?" for axis in axes]
    return "x".join(sizes) or "1"


def _rows(outputs: "NDArray[Any]") -> "NDArray[Any]":
    return outputs.reshape(len(outputs), -1)


def _holds_parts(rows: "NDArray[Any]", known: str) -> bool:
    """Tell whether a softmax was taken over parts of the outputs, each of which sums to 1."""
    import numpy as np

    if known not in ("probabilities", "log-probabilities"):
        return False
    shares = np.exp(rows) if known == "log-probabilities" else rows
    return bool(np.median(shares.sum(axis=1)) > _PARTS)


def _by_numbers(rows: "NDArray[Any]") -> Head:
    import numpy as np

    lowest, highest = rows.min(), rows.max()
    inside = lowest >= -1e-6 and highest <= 1 + 1e-6
    varied = bool(np.ptp(rows, axis=0).max() > _ROUNDING)
    if rows.shape[1] == 1:
        if inside:
            return Head("sigmoids", "it gives one number within 0 to 1", False)
        return Head("logits", "it gives one number, outside 0 to 1")
    if inside and _sums_to_1(rows):
        return Head("probabilities", "its outputs lie within 0 to 1 and sum to 1", varied)
    if inside:
        return Head("sigmoids", "its outputs lie within 0 to 1 and do not sum to 1", False)
    if highest <= 1e-6 and _sums_to_1(np.exp(rows)):
        return Head("log-probabilities", "the exponentials of its outputs sum to 1", varied)
    return Head("logits", "its outputs lie outside 0 to 1")


def _sums_to_1(rows: "NDArray[Any]") -> bool:
    return bool(abs(rows.sum(axis=1, dtype="float64") - 1).max() < _ROUNDING)
