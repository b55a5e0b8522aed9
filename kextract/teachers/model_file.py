"""A classifier in a file that a runtime of its own executes: what all such files share."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.axes import Shape, arranged
from kextract.models.batches import at_once, in_batches
from kextract.models.heads import decide
from kextract.models.input_range import Preprocessing
from kextract.models.made_up_images import of_all_kinds
from kextract.storage.atomic import reason
from kextract.teachers.kinds import as_rows
from kextract.teachers.layout import Dims, Layout, Numbers, layouts

AT_ONCE = 256
"""Images per call where a network takes any number."""
TRIED = 4
"""Images of noise that a file is tried with when it is opened."""


@dataclass(frozen=True)
class Network:
    """A model file opened by its runtime."""

    run: Callable[[NDArray[Any]], NDArray[Any]]
    """Maps a batch in the file's own layout and numbers to its raw output, (n, ...)."""
    dims: Dims
    numbers: Numbers
    operation: str | None = None
    """The last one that changes numbers, where the file tells."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Those of all outputs by name; the first is the one that `run` gives."""


class ModelFile:
    """A `BlackBox` that has no more to offer than its outputs."""

    gradients = False
    statistics = False

    def __init__(
        self,
        path: Path,
        network: Network,
        *,
        input_shape: Shape | None = None,
        classes: int | None = None,
        input_range: Preprocessing | None = None,
        outputs: str | None = None,
    ) -> None:
        """Find out what the file leaves unsaid by trying it on made-up images, which asks nothing.

        Raises RequestError where the network cannot be one that classifies such images, and where
        it has another number of classes than told.
        """
        self.name = f"{path.name}, SHA-256 {sha256_of(path)}"
        self._path = path
        self._network = network
        self._input_range = input_range
        self._layout, tried = self._try(layouts(network.dims, input_shape, path))
        self.input_shape = self._layout.shape
        self.sizes = network.sizes
        self.head = decide(tried, self._tried_more, network.operation, outputs)
        labels = self.head.outputs == "labels"
        self.outputs = "labels" if labels else self.head.given
        if labels:
            if classes is None:
                raise RequestError(f"'{path}' gives labels: say how many --classes there are")
            self.classes = classes
            return
        self.classes = as_rows(tried, self.outputs).shape[1]
        if classes not in (None, self.classes):
            raise RequestError(f"--classes {classes}: '{path}' has {self.classes}")

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c); those that fill up a fixed batch are not questions."""
        outputs = self._run(images, self._layout)
        if self.outputs == "labels":
            return outputs.reshape(len(images)).astype(np.int32)
        rows = as_rows(outputs, self.outputs).astype(np.float32)
        if self.outputs == "logits":
            return rows
        # Eight bits do not sum to 1, nor do classes that were each asked for on their own.
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
        raise RequestError(f"'{self._path}' cannot be run: {one_line(failure)}") from failure

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
    """Hash a file, or names and bytes of all files in a folder. Raises RequestError."""
    try:
        if path.is_file():
            return _digest_of(path).hexdigest()
        digest = hashlib.sha256()
        for part in sorted(part for part in path.rglob("*") if part.is_file()):
            digest.update(f"{part.relative_to(path).as_posix()}\0".encode())
            digest.update(_digest_of(part).digest())
        return digest.hexdigest()
    except OSError as error:
        raise RequestError(f"'{path}': {reason(error)}") from error


def _digest_of(path: Path) -> "hashlib._Hash":
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


@contextmanager
def refusing(path: Path, runtime: str) -> Iterator[None]:
    """Turn whatever a runtime raises about a file into one line. Raises RequestError."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:  # Each of their failures has a type of its own.
        raise RequestError(f"'{path}': {runtime} cannot read it: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Give what an exception says in one line of bearable length."""
    return " ".join(str(error).split())[:300] or type(error).__name__
