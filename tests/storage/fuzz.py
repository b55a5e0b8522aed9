"""Reads damaged weights files by the thousand: `python -m tests.storage.fuzz --count 10000`."""

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from kextract.errors import CheckpointError
from tests import fuzzing
from tests.fuzzing import Report
from tests.storage.mutations import BYTES, STRUCTURE, Mutation
from tests.storage.mutations_of_metadata import METADATA


class Base(NamedTuple):
    """A sound file and what is expected of it."""

    name: str
    data: bytes
    specs: dict[str, Any]
    legacy: dict[str, str]
    digest: str
    info: Any


def make_bases(folder: Path) -> list[Base]:
    """Write a checkpoint of ours, plain Keras weights and a tf.keras 2 file of a small model."""
    import h5py
    import numpy as np

    from kextract.hdf5.weights import legacy_names, specs_of, tensors_of, variables_by_path
    from kextract.storage import model_sha256, read_info, write_checkpoint
    from tests.storage.examples import INFO, small_model

    model = small_model()
    variables, tensors = variables_by_path(model), tensors_of(model)
    names, specs, digest = legacy_names(variables), specs_of(variables), model_sha256(model)
    write_checkpoint(folder / "ours.weights.h5", model, INFO)
    with h5py.File(folder / "plain.weights.h5", "w") as plain:
        for path, value in tensors.items():
            plain[path] = value
    with h5py.File(folder / "legacy.h5", "w") as legacy:
        legacy.attrs["layer_names"] = np.array([b"model"])
        legacy.attrs["keras_version"] = "2.3.0-tf"
        for name, path in names.items():
            legacy[f"model/{name}:0"] = tensors[path]
    return [
        Base(
            name=file.split(".")[0],
            data=(folder / file).read_bytes(),
            specs=specs,
            legacy=names,
            digest=digest,
            info=read_info(folder / file),
        )
        for file in ("ours.weights.h5", "plain.weights.h5", "legacy.h5")
    ]


def mutate(bases: list[Base], seed: int, index: int) -> tuple[Base, str, bytes]:
    """Make file number `index`: half of them of ours, half of all with damaged bytes."""
    random = Random(f"{seed}-{index}")
    base = bases[random.choice((0, 0, 1, 2))]
    structure = STRUCTURE + METADATA if base.name == "ours" else STRUCTURE
    mutation: Mutation = random.choice(BYTES if random.random() < 0.5 else structure)
    return base, getattr(mutation, "__name__", "?"), mutation(base.data, random)


def read_one(path: Path, base: Base) -> tuple[str, str]:
    """Read a file as every command does; give what happened and the message."""
    from kextract.storage.checkpoint import read_info, read_weights

    try:
        info = read_info(path)
        _, digest = read_weights(path, base.specs, base.legacy)
    except CheckpointError as error:
        return "refused", str(error)
    except Exception as error:
        return type(error).__name__, repr(error)
    if info != base.info:
        return "other facts", ""
    return ("identical" if digest == base.digest else "other tensors"), ""


class WeightsFiles:
    """A `Family` of damaged weights files."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self._bases = make_bases(Path(name))

    def get_ready(self) -> None:
        import kextract.storage.checkpoint  # noqa: F401

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        self._base, mutation, data = mutate(self._bases, self._seed, number)
        self._path = folder / "damaged.weights.h5"
        self._path.write_bytes(data)
        return self._base.name, mutation

    def read(self) -> tuple[str, str]:
        return read_one(self._path, self._base)

    def allowed(self, base: str) -> set[str]:
        # Files of others carry no hash, so other numbers in them are simply other weights.
        return {"refused", "identical"} | (set() if base == "ours" else {"other tensors"})


def run(count: int, seed: int) -> Report:
    """Read `count` damaged files and report."""
    return fuzzing.run(WeightsFiles(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(WeightsFiles, __doc__ or ""))
