"""Reads damaged Keras archives: `python -m tests.storage.fuzz_archives --count 10000`."""

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import NamedTuple

from kextract.errors import CheckpointError
from tests import fuzzing
from tests.foreign.keras import examples
from tests.foreign.keras.write_keras_2 import FILES
from tests.fuzzing import Report
from tests.storage.mutations_of_archives import ARCHIVES


class Base(NamedTuple):
    """A sound archive and the hash of its tensors."""

    name: str
    data: bytes
    digest: str


def make_bases(folder: Path) -> list[Base]:
    """Write archives of a functional and a sequential network; take two that Keras 2 wrote."""
    from kextract import runtime

    runtime.start()
    import keras

    from kextract.foreign.keras import load_archive
    from kextract.storage import model_sha256

    # Layers are numbered anew, so that the same seed makes the same files.
    keras.utils.clear_session()
    models = {"graph": examples.small(), "sequence": examples.user_cnn()}
    written = [
        Base(
            name,
            examples.timeless(examples.save(model, folder / f"{name}.keras").read_bytes()),
            model_sha256(model),
        )
        for name, model in models.items()
    ]
    real = {"graph 2": FILES / "transferred.keras", "sequence 2": FILES / "trained.keras"}
    return written + [
        Base(name, path.read_bytes(), load_archive(path)[1].sha256) for name, path in real.items()
    ]


def mutate(bases: list[Base], seed: int, index: int) -> tuple[Base, str, bytes]:
    """Make file number `index`."""
    random = Random(f"{seed}-{index}")
    mutation = random.choice(random.choice(ARCHIVES))
    # Most changes of a description are ones of a graph.
    base = bases[0] if mutation in ARCHIVES[0] else random.choice(bases)
    return base, getattr(mutation, "__name__", "?"), mutation(base.data, random)


def read_one(path: Path, base: Base) -> tuple[str, str]:
    """Read a file as every command does; give what happened and the message."""
    from kextract.foreign.keras import load_archive

    try:
        _, about = load_archive(path)
    except CheckpointError as error:
        return "refused", str(error)
    except Exception as error:
        return type(error).__name__, repr(error)
    return ("identical" if about.sha256 == base.digest else "other tensors"), ""


class Archives:
    """A `Family` of damaged Keras archives."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self._bases = make_bases(Path(name))

    def get_ready(self) -> None:
        from kextract import runtime

        runtime.start()
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "sound.keras"
            path.write_bytes(self._bases[0].data)
            read_one(path, self._bases[0])

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        self._base, mutation, data = mutate(self._bases, self._seed, number)
        self._path = folder / "damaged.keras"
        self._path.write_bytes(data)
        return self._base.name, mutation

    def read(self) -> tuple[str, str]:
        return read_one(self._path, self._base)

    def allowed(self, base: str) -> set[str]:
        # Archives carry no hash, so other numbers in them are simply other weights.
        return {"refused", "identical", "other tensors"}


def run(count: int, seed: int) -> Report:
    """Read `count` damaged archives and report."""
    return fuzzing.run(Archives(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(Archives, __doc__ or ""))
