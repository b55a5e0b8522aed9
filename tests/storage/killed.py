"""Kills writers again and again, and counts what can be read afterwards.

`python -m tests.storage.killed FOLDER KILLS` prints a JSON object. TensorFlow is not needed, so a
writer is a fork that is at work at once.
"""

import json
import os
import random
import re
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from kextract.hdf5.weights import TensorSpec
from kextract.records import EpochRecord, Snapshot
from kextract.storage import checkpoint, read_info
from kextract.storage.resume import read_resume, resume_path, write_resume
from kextract.storage.run_lock import run_lock
from tests.storage.examples import info

SHAPE = (400, 300)
LONGEST_WAIT = 0.02
"""Seconds; about what it takes to write a file."""


def write_for_ever(output: Path, reports: int) -> None:
    """Write checkpoints and unfinished runs, each of them all of one number; report each."""
    with run_lock(output):
        for number in count(1):
            tensors = {"layers/dense/vars/0": np.full(SHAPE, number, np.float32)}
            history = (EpochRecord(0), EpochRecord(1, loss=float(number)))
            write_resume(resume_path(output), Snapshot(history, tensors), {"--seed": number})
            os.write(reports, b".")
            model: Any = tensors
            checkpoint.write_checkpoint(output, model, info(seed=number), overwrite=True)
            os.write(reports, b".")


def readable(output: Path) -> list[str]:
    """Read what is there; return what came of each file. Raises for one that does not load."""
    found = []
    if output.exists():
        about = read_info(output)
        assert about is not None
        spec = {"layers/dense/vars/0": TensorSpec("float32", SHAPE)}
        tensors, _ = checkpoint.read_weights(output, spec, {})
        assert (tensors["layers/dense/vars/0"] == about.seed).all()
        found.append("checkpoint")
    if resume_path(output).exists():
        kept = read_resume(resume_path(output))
        number = kept.request["--seed"]
        assert kept.snapshot.history[-1].loss == number
        assert (kept.snapshot.tensors["layers/dense/vars/0"] == number).all()
        found.append("resume")
    return found


def torn(folder: Path) -> list[str]:
    """List the temporary files that a killed writer left behind."""
    return [path.name for path in folder.iterdir() if re.search(r"\.\d+(\.\w+)+$", path.name)]


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    output = folder / "model.weights.h5"
    chance = random.Random(0)
    # The models of this file are their tensors.
    setattr(checkpoint, "tensors_of", dict)  # noqa: B010
    counts = {"kills": 0, "checkpoint": 0, "resume": 0, "in the middle of writing": 0}
    for number in range(kills):
        reader, reports = os.pipe()
        writer = os.fork()
        if not writer:
            write_for_ever(output, reports)
        os.close(reports)
        for _ in range(chance.randrange(4)):
            os.read(reader, 1)
        # At any moment, or as soon as a file is being written: a busy machine oversleeps.
        if number % 2:
            time.sleep(chance.uniform(0, LONGEST_WAIT))
        else:
            while not torn(folder):
                pass
        os.kill(writer, signal.SIGKILL)
        _, status = os.waitpid(writer, 0)
        os.close(reader)
        assert os.WIFSIGNALED(status), "the writer had ended by itself"
        counts["kills"] += 1
        counts["in the middle of writing"] += bool(torn(folder))
        for kind in readable(output):
            counts[kind] += 1
        with run_lock(output):
            assert torn(folder) == []
    left = sorted(path.name for path in folder.iterdir())
    print(json.dumps({**counts, "left": left}))


if __name__ == "__main__":
    main()
