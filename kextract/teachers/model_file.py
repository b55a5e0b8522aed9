"""A classifier in a file that a runtime of its own executes: what all such files share."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import scale
from kextract.errors import Refused, RequestError
from kextract.models.axes import Dims, Layout, arranged, layouts
from kextract.models.cost import at_once, in_batches
from kextract.models.heads import decide
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.models.made_up_images import of_all_kinds
from kextract.storage.atomic import reason
from kextract.teachers.black_box import AT_ONCE, FileOptions, as_rows
from kextract.text import error_line

TRIED = 4
"""Images of noise that a file is tried with when it is opened."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an input's numbers mean: real value = scale * (number - zero), for integers."""

    dtype: np.dtype[Any]
    scale: float = 0.0
    """0 where numbers stand for themselves."""
    zero: int = 0

    def encoded(self, pixels: NDArray[np.uint8], given: Preprocessing | None) -> NDArray[Any]:
        """Return pixels of any shape as the network takes them.

        `given` is the range of real values for black and white; without it that is -1 to 1 for
        floating-point numbers, and all that they can say for integers of one byte.
        """
        if self.dtype.kind == "f":
            return (given or PIXELS).apply(scale(pixels)).astype(self.dtype)
        if given is None or not self.scale:
            offset = np.iinfo(self.dtype).min if self.dtype.itemsize == 1 else 0
            return (pixels.astype(np.int16) + offset).astype(self.dtype)
        return self.quantized(given.apply(scale(pixels)))

    def quantized(self, reals: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers nearest to real values, which are all where there is no scale."""
        if not self.scale:
            return reals.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        numbers = np.rint(reals / self.scale) + self.zero
        nearest: NDArray[Any] = numbers.clip(limits.min, limits.max).astype(self.dtype)
        return nearest

    def reals(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the real values that numbers stand for."""
        if not self.scale:
            return numbers
        return np.asarray((numbers.astype(np.float32) - self.zero) * np.float32(self.scale))


@dataclass(frozen=True)
class Network:
    """A model file opened by its runtime."""

    run: Callable[[NDArray[Any]], NDArray[Any]]
    """Maps a batch in the file's own layout and numbers to its raw output, (n, ...)."""
    dims: Dims
    numbers: Numbers
    operation: str | None = None
    """The last one that changes numbers, where the file says it."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Those of all outputs by name; the first is the one that `run` gives."""


class ModelFile:
    """A `BlackBox` that has no more to offer than its outputs."""

    def __init__(self, path: Path, digest: str, network: Network, options: FileOptions) -> None:
        """Find out what a file leaves unsaid by trying it on made-up images, which asks nothing.

        Raises RequestError where the network cannot be one that classifies such images, and where
        it has another number of classes than requested.
        """
        self.name = f"{path.name}, SHA-256 {digest}"
        self._path = path
        self._network = network
        self._input_range = options.input_range
        try:
            possible = layouts(network.dims, options.input_shape)
        except Refused as error:
            raise RequestError(f"'{path}': {error}") from error
        self._layout, tried = self._try(possible)
        if tried.dtype.kind not in "biuf":
            raise RequestError(f"'{path}' gives text or other things, not numbers")
        self.input_shape = self._layout.shape
        self.sizes = network.sizes
        self.head = decide(tried, self._tried_more, network.operation, options.outputs)
        labels = self.head.outputs == "labels"
        self.outputs = "labels" if labels else "sigmoids" if self.head.by_label else self.head.given
        if labels:
            if options.classes is None:
                raise RequestError(f"'{path}' gives labels: say how many --classes there are")
            self.classes = options.classes
            return
        self.classes = as_rows(tried, self.outputs).shape[1]
        if options.classes not in (None, self.classes):
            raise RequestError(f"--classes {options.classes}: '{path}' has {self.classes}")

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c); those that fill up a fixed batch are not questions."""
        outputs = self._run(images, self._layout)
        if self.outputs == "labels":
            return outputs.reshape(len(images)).astype(np.int32)
        rows = as_rows(outputs, self.outputs).astype(np.float32)
        if self.head.outputs == "label-logits" and self.head.by_label:
            return np.asarray(1 / (1 + np.exp(-rows)))
        if self.outputs != "probabilities":
            return rows
        # Eight bits do not sum to 1.
        total = rows.sum(axis=1, keepdims=True)
        even = np.float32(1 / self.classes)
        return np.where(total > 0, rows / np.where(total > 0, total, 1), even)

    def _try(self, possible: tuple[Layout, ...]) -> tuple[Layout, NDArray[Any]]:
        random = np.random.default_rng(0)
        failure: Exception | None = None
        for layout in possible:
            noise = random.integers(0, 256, (TRIED, *layout.shape), np.uint8)
            try:
                outputs = self._run(noise, layout)
            except Exception as error:  # Runtimes raise what they like.
                failure = failure or error
                continue
            return layout, outputs
        assert failure is not None, "there is at least one layout"
        raise RequestError(f"'{self._path}' cannot be run: {error_line(failure)}") from failure

    def _tried_more(self) -> NDArray[Any]:
        return self._run(of_all_kinds(self.input_shape), self._layout)

    def _run(self, images: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
        size = layout.batch or at_once(layout.shape, AT_ONCE)

        def run(part: NDArray[np.uint8]) -> NDArray[Any]:
            count = len(part)
            if layout.batch and count < size:
                part = np.concatenate([part, np.repeat(part[-1:], size - count, axis=0)])
            numbers = self._network.numbers.encoded(part, self._input_range)
            outputs = self._network.run(arranged(numbers, layout.axes))
            if len(outputs) != len(part):
                raise ValueError(f"{len(outputs)} outputs for {len(part)} images")
            return outputs[:count]

        return in_batches(run, images, size)


def sha256_of(path: Path) -> str:
    """Hash names and bytes of all files in a folder. Raises RequestError."""
    try:
        digest = hashlib.sha256()
        for part in sorted(part for part in path.rglob("*") if part.is_file()):
            digest.update(f"{part.relative_to(path).as_posix()}\0".encode())
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
    except OSError as error:
        raise RequestError(f"'{path}': {reason(error)}") from error


@contextmanager
def refusing(path: Path, runtime: str) -> Iterator[None]:
    """Turn whatever a runtime raises about a file into one line. Raises RequestError."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:  # Each of their failures has a type of its own.
        raise RequestError(f"'{path}': {runtime} cannot read it: {error_line(error)}") from error
