"""Reads damaged TFLite files: `python -m tests.foreign.tflite.fuzz --count 4000`."""

import struct
import sys
import tempfile
from pathlib import Path
from random import Random

import numpy as np

from kextract.errors import CheckpointError, RequestError
from tests import fuzzing
from tests.fuzzing import Report

Bases = dict[str, bytes]


def make_bases(folder: Path) -> Bases:
    """Write a network of floats, with arithmetic of shapes, and one of integers."""
    from tests.foreign.tflite.networks import Writer
    from tests.foreign.tflite.test_operators import (
        by_its_own_shape,
        convolved,
        depthwise,
        pooled,
        resized,
        sliced,
        whole,
    )
    from tests.foreign.tflite.test_quantized import convolved as of_integers

    writer = Writer((7, 6, 3))
    parts = [
        convolved(writer, strideH=2),
        depthwise(writer),
        pooled(writer, "AVERAGE_POOL_2D"),
        resized(writer, "RESIZE_BILINEAR"),
        sliced(writer, (0, 1, 0, 0), (1, 7, 6, 3), (1, 2, 1, 1)),
        writer.add("SOFTMAX", 0, options="SoftmaxOptions", beta=1.0),
    ]
    means = [
        writer.add("MEAN", part, writer.constant(whole(1, 2)), options="ReducerOptions")
        for part in parts
    ]
    rows = [*means, by_its_own_shape(writer)]
    made = writer.add("CONCATENATION", *rows, options="ConcatenationOptions", axis=1)
    floats = writer.save(folder / "floats.tflite", made)
    integers = of_integers(folder / "integers.tflite", "int8", zero=-3, ends=(1 / 8, 5))
    return {path.stem: path.read_bytes() for path in (floats, integers)}


def mutate(bases: Bases, seed: int, index: int) -> tuple[str, str, bytes]:
    """Make file number `index`; give the names of base and mutation, and the bytes."""
    from tests.foreign.tflite.mutations import MUTATIONS

    random = Random(f"{seed}-{index}")
    mutation = random.choice(random.choice(MUTATIONS))
    base = random.choice(sorted(bases))
    try:
        with np.errstate(all="ignore"):
            return base, getattr(mutation, "__name__", "?"), mutation(bases[base], random)
    except (struct.error, TypeError, ValueError, OverflowError, AttributeError, IndexError):
        # What the writer of flatbuffers itself does not write.
        return base, "none", bases[base]


class TfliteFiles:
    """A `Family` of damaged TFLite files."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self._bases = make_bases(Path(name))

    def get_ready(self) -> None:
        from kextract.foreign.tflite import read_tflite

        with tempfile.TemporaryDirectory() as name:
            for base, data in self._bases.items():
                (Path(name) / base).write_bytes(data)
                read_tflite(Path(name) / base)

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        base, mutation, data = mutate(self._bases, self._seed, number)
        self._path = folder / "damaged.tflite"
        self._path.write_bytes(data)
        return base, mutation

    def read(self) -> tuple[str, str]:
        from kextract.foreign.tflite import read_tflite

        try:
            read_tflite(self._path)
        except (CheckpointError, RequestError) as error:
            return "refused", str(error)
        except Exception as error:
            return type(error).__name__, repr(error)
        return "read", ""

    def allowed(self, base: str) -> set[str]:
        return {"refused", "read"}


def run(count: int, seed: int) -> Report:
    """Read `count` damaged files and report."""
    return fuzzing.run(TfliteFiles(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TfliteFiles, __doc__ or ""))
