"""Reads damaged ONNX files: `python -m tests.foreign.onnx.fuzz --count 4000`."""

import sys
from pathlib import Path
from random import Random

from kextract.errors import CheckpointError, RequestError
from tests import fuzzing
from tests.foreign.onnx.mutations import MUTATIONS
from tests.fuzzing import Report

FILES = Path(__file__).parent / "files"
BASES = ("cnn-traced", "cnn-with-batch-norm", "vit-traced")


def mutate(seed: int, index: int) -> tuple[str, str, bytes]:
    """Make file number `index`; give the names of base and mutation, and the bytes."""
    random = Random(f"{seed}-{index}")
    mutation = random.choice(random.choice(MUTATIONS))
    base = random.choice(BASES)
    data = (FILES / f"{base}.onnx").read_bytes()
    try:
        return base, getattr(mutation, "__name__", "?"), mutation(data, random)
    except (ValueError, TypeError):
        # What protobuf itself does not write.
        return base, "none", data


class OnnxFiles:
    """A `Family` of damaged ONNX files."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def get_ready(self) -> None:
        from kextract.foreign.onnx import read_onnx

        for base in BASES:
            read_onnx(FILES / f"{base}.onnx")

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        base, mutation, data = mutate(self._seed, number)
        self._path = folder / "damaged.onnx"
        self._path.write_bytes(data)
        return base, mutation

    def read(self) -> tuple[str, str]:
        from kextract.foreign.onnx import read_onnx

        try:
            read_onnx(self._path)
        except (CheckpointError, RequestError) as error:
            return "refused", str(error)
        except Exception as error:
            return type(error).__name__, repr(error)
        return "read", ""

    def allowed(self, base: str) -> set[str]:
        return {"refused", "read"}


def run(count: int, seed: int) -> Report:
    """Read `count` damaged files and report."""
    return fuzzing.run(OnnxFiles(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(OnnxFiles, __doc__ or ""))
