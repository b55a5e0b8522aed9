"""Reads damaged HDF5 files of whole models: `python -m tests.storage.fuzz_models --count 5000`."""

import sys
import tempfile
from pathlib import Path
from random import Random

from tests import fuzzing
from tests.foreign.keras import examples, keras_2
from tests.foreign.keras.write_keras_2 import FILES
from tests.fuzzing import Report
from tests.storage.fuzz_archives import Archives, Base
from tests.storage.mutations_of_descriptions import DESCRIPTIONS
from tests.storage.mutations_of_models import MODELS


def make_bases(folder: Path) -> list[Base]:
    """Write files of two small networks by Keras 3, and as Keras 2.0; take one of Keras 2.15."""
    from kextract import runtime

    runtime.start()
    import keras

    from kextract.foreign.keras import load_archive
    from kextract.storage import model_sha256

    keras.utils.clear_session()
    found = []
    for name, model in {"graph": examples.small(), "sequence": examples.user_cnn()}.items():
        path = examples.save(model, folder / f"{name}.h5")
        found.append(Base(name, path.read_bytes(), model_sha256(model)))
        keras_2.rewritten(path)
        found.append(Base(f"{name} 2", path.read_bytes(), model_sha256(model)))
    real = FILES / "fine_tuned.h5"
    return [*found, Base("Keras 2", real.read_bytes(), load_archive(real)[1].sha256)]


def mutate(bases: list[Base], seed: int, index: int) -> tuple[Base, str, bytes]:
    """Make file number `index`."""
    random = Random(f"{seed}-{index}")
    family = random.choice(MODELS)
    mutation = random.choice(family)
    # Most changes of a description are ones of a graph of Keras 3.
    base = bases[0] if family is DESCRIPTIONS else random.choice(bases)
    return base, getattr(mutation, "__name__", "?"), mutation(base.data, random)


class Models(Archives):
    """A `Family` of damaged HDF5 files of whole models."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self._bases = make_bases(Path(name))

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        self._base, mutation, data = mutate(self._bases, self._seed, number)
        self._path = folder / "damaged.h5"
        self._path.write_bytes(data)
        return self._base.name, mutation


def run(count: int, seed: int) -> Report:
    """Read `count` damaged files and report."""
    return fuzzing.run(Models(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(Models, __doc__ or ""))
