"""Reads damaged weights files by the thousand: `python -m tests.storage.fuzz --count 10000`.

With `--archives` the files are Keras archives.

Each file is read in a child process, so that a crash or a hang of the HDF5 library is counted and
not suffered. The same seed makes the same files.
"""

import argparse
import multiprocessing as mp
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from kextract.errors import CheckpointError
from tests.storage.archive import examples
from tests.storage.mutations import BYTES, STRUCTURE, Mutation
from tests.storage.mutations_of_archives import ARCHIVES
from tests.storage.mutations_of_metadata import METADATA

SECONDS = 5.0
"""Longer than this is called a hang; allowed is `SLOW`."""
SLOW = 2.0
MEGABYTES = 200
"""How much a file may make the reader's memory grow."""


class Base(NamedTuple):
    """A sound file and what is expected of it."""

    name: str
    data: bytes
    specs: dict[str, Any]
    legacy: dict[str, str]
    digest: str
    info: Any


class Outcome(NamedTuple):
    """What became of one damaged file."""

    number: int
    base: str
    mutation: str
    what: str
    """Such as "refused", "identical", "crash", "hang" or the name of an exception."""
    seconds: float = 0.0
    megabytes: float = 0.0
    message: str = ""


@dataclass
class Report:
    """The outcomes, counted."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)
    slowest: float = 0.0
    largest: float = 0.0

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.base, outcome.what] += 1
        self.slowest = max(self.slowest, outcome.seconds)
        self.largest = max(self.largest, outcome.megabytes)
        if not _is_good(outcome):
            self.failures.append(outcome)


def _is_good(outcome: Outcome) -> bool:
    # Files of others carry no hash, so other numbers in them are simply other weights.
    allowed = {"refused", "identical"} | (set() if outcome.base == "ours" else {"other tensors"})
    fits = outcome.seconds < SLOW and outcome.megabytes < MEGABYTES
    one_line = outcome.message.isprintable()
    return outcome.what in allowed and fits and one_line


def make_bases(folder: Path) -> list[Base]:
    """Write a checkpoint of ours, plain Keras weights and a tf.keras 2 file of a small model."""
    import h5py
    import numpy as np

    from kextract.storage import model_sha256, read_info, write_checkpoint
    from kextract.storage.legacy import legacy_names
    from kextract.storage.weights import specs_of, tensors_of, variables_by_path
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


def make_archive_bases(folder: Path) -> list[Base]:
    """Write Keras archives of two small networks, a functional and a sequential one."""
    from kextract import runtime

    runtime.start()
    import keras

    from kextract.storage import model_sha256

    # Layers are numbered anew, so that the same seed makes the same files.
    keras.utils.clear_session()
    models = {"graph.keras": examples.small(), "sequence.keras": examples.user_cnn()}
    return [
        Base(
            name=file,
            data=examples.timeless(examples.save(model, folder / file).read_bytes()),
            specs={},
            legacy={},
            digest=model_sha256(model),
            info=None,
        )
        for file, model in models.items()
    ]


def mutate(bases: list[Base], seed: int, index: int) -> tuple[Base, str, bytes]:
    """Make file number `index`: half of them of ours, half of all with damaged bytes."""
    random = Random(f"{seed}-{index}")
    if is_archive(bases[0]):
        return _mutate_archive(bases, random)
    base = bases[random.choice((0, 0, 1, 2))]
    structure = STRUCTURE + METADATA if base.name == "ours" else STRUCTURE
    mutation: Mutation = random.choice(BYTES if random.random() < 0.5 else structure)
    return base, getattr(mutation, "__name__", "?"), mutation(base.data, random)


def is_archive(base: Base) -> bool:
    return base.name.endswith(".keras")


def _mutate_archive(bases: list[Base], random: Random) -> tuple[Base, str, bytes]:
    mutation = random.choice(random.choice(ARCHIVES))
    # Most changes of a description are ones of a graph.
    needs_graph = mutation in ARCHIVES[0]
    base = bases[0] if needs_graph else random.choice(bases)
    return base, getattr(mutation, "__name__", "?"), mutation(base.data, random)


def read_one(path: Path, base: Base) -> tuple[str, str]:
    """Read a file as every command does; give what happened and the message."""
    from kextract.storage.archive import load_archive
    from kextract.storage.checkpoint import read_info, read_weights

    try:
        if is_archive(base):
            _, about = load_archive(path)
            return ("identical" if about.sha256 == base.digest else "other tensors"), ""
        info = read_info(path)
        _, digest = read_weights(path, base.specs, base.legacy)
    except CheckpointError as error:
        return "refused", str(error)
    except Exception as error:
        return type(error).__name__, repr(error)
    if info != base.info:
        return "other facts", ""
    return ("identical" if digest == base.digest else "other tensors"), ""


def _child(connection: Connection, bases: list[Base], folder: Path, seed: int) -> None:
    import kextract.storage.checkpoint  # noqa: F401 - not to be counted in the first file's time

    path = folder / "damaged.weights.h5"
    if is_archive(bases[0]):
        path = folder / "damaged.keras"
        path.write_bytes(bases[0].data)
        read_one(path, bases[0])
    while True:
        index = connection.recv()
        base, mutation, data = mutate(bases, seed, index)
        path.write_bytes(data)
        forget_peak()
        before, started = megabytes("VmRSS"), time.perf_counter()
        what, message = read_one(path, base)
        seconds, grown = time.perf_counter() - started, megabytes("VmHWM") - before
        connection.send(Outcome(index, base.name, mutation, what, seconds, grown, message))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def megabytes(name: str) -> float:
    """Read `VmRSS` (memory now) or `VmHWM` (its peak); `getrusage` gives the parent's peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


class _Reader:
    """A child process that reads damaged files; started again when it dies."""

    def __init__(self, bases: list[Base], folder: Path, seed: int) -> None:
        self._bases, self._folder, self._seed = bases, folder, seed
        self._start()

    def _start(self) -> None:
        self._ours, theirs = mp.Pipe()
        context = mp.get_context("spawn")
        arguments = (theirs, self._bases, self._folder, self._seed)
        self._process = context.Process(target=_child, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._fresh = True

    def read(self, index: int) -> Outcome:
        patience = SECONDS + (60 if self._fresh else 0)
        self._fresh = False
        self._ours.send(index)
        try:
            if self._ours.poll(patience):
                outcome: Outcome = self._ours.recv()
                return outcome
            what = "hang"
        except EOFError:
            what = "crash"
        self.stop()
        self._start()
        base, mutation, _ = mutate(self._bases, self._seed, index)
        return Outcome(index, base.name, mutation, what)

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._ours.close()


def run(count: int, seed: int, first: int = 0, *, archives: bool = False) -> Report:
    """Read `count` damaged files and report."""
    make = make_archive_bases if archives else make_bases
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reader = _Reader(make(folder), folder, seed)
        try:
            for index in range(first, first + count):
                report.add(reader.read(index))
        finally:
            reader.stop()
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="files to read")
    parser.add_argument("--seed", type=int, default=0, help="makes other files")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--archives", action="store_true", help="read Keras archives")
    options = parser.parse_args()
    started = time.monotonic()
    report = run(options.count, options.seed, options.first, archives=options.archives)
    for (base, what), count in sorted(report.counts.items()):
        print(f"{base:16}{what:16}{count:8}")
    print(f"slowest {report.slowest:.3f} s, most memory {report.largest:.0f} MB")
    print(f"{options.count} files in {time.monotonic() - started:.0f} s")
    for failure in report.failures:
        print("FAILED", failure)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
