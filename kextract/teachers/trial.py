"""Model files in their own runtimes, tried in a process that may die before this one opens them.

LiteRT and onnxruntime look at the structure of a file and trust the rest: of some two in a thousand
damaged TFLite files the interpreter dies with the whole program, or computes without end. Checks
of our own would have to know all that every operator of theirs takes for granted. A process may
die: whatever a file does there, it is refused in one line here. What it costs is the start of
Python and of the runtime, half a second once per file. A file that only breaks later, on other
images, is not found out. TensorFlow takes seconds to start, and of 800 damaged SavedModels none
made it crash, hang or need much memory: those are opened at once.
"""

import os
import pickle
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from kextract.errors import RequestError
from kextract.hdf5.safe_hdf5 import OpenFile
from kextract.models.heads import SeveralOutputsError
from kextract.storage.opening import Identified, Kind, examine
from kextract.teachers.black_box import FileOptions
from kextract.teachers.model_file import ModelFile, sha256_of
from kextract.teachers.runtimes import open_onnx, open_saved_model, open_tflite

SECONDS, SECONDS_PER_MIB = 5, 2
"""Processor time for opening a file and asking it about a few images, on one thread."""
PATIENCE = 12
"""How many times as long that may take where other work is in the way, or the disk is slow."""
MEMORY = 6 << 30
"""Bytes of address space for the process, besides what holds the file `COPIES` times."""
COPIES = 16
_REFUSED = 3
_TRIED = {Kind.ONNX: "onnxruntime", Kind.TFLITE: "LiteRT"}

_survived: set[tuple[str, bytes]] = set()
"""Hashes of files that were tried, with the options; none of them is tried again."""


def open_model_file(where: Path | Identified, options: FileOptions) -> ModelFile:
    """Open an .onnx or .tflite file, or a SavedModel folder, in its own runtime.

    Raises RequestError for what the runtime does not read, and where it crashes, hangs or takes
    more memory than a network of this size may.
    """
    found = examine(where)
    if found.kind in _TRIED and found.file is not None:
        _try(found.file, _TRIED[found.kind], options)
    return _open(found, options)


def _open(found: Identified, options: FileOptions) -> ModelFile:
    if found.kind is Kind.ONNX:
        network = open_onnx(found.where, options.threads, options.output_name)
    elif found.kind is Kind.TFLITE:
        network = open_tflite(found.where, options.threads, options.output_name)
    elif found.kind is Kind.SAVED_MODEL:
        network = open_saved_model(found.path, options.output_name)
    else:
        raise RequestError(f"'{found.path}': no such file, or not a black box")
    digest = found.file.sha256 if found.file else sha256_of(found.path)
    return ModelFile(found.path, digest, network, options)


def _try(file: OpenFile, runtime: str, options: FileOptions) -> None:
    """Let another process open a file as `_open` does. Raises RequestError."""
    path = file.path
    given = pickle.dumps((path, replace(options, threads=1)))
    tried = (file.sha256, given)
    # Without Python there is nothing to try it with, as in a program that embeds it.
    if tried in _survived or not sys.executable:
        return
    # ONNX keeps the weights of large networks in files beside it, whatever they are called.
    size = sum(file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    seconds = SECONDS + SECONDS_PER_MIB * (size >> 20)
    limits = f"{seconds},{MEMORY + COPIES * size}"
    # Modules are looked for where this process found its own.
    places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    try:
        finished = subprocess.run(
            [sys.executable, "-P", "-m", __name__, limits],
            input=given,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": places},
            timeout=PATIENCE * seconds,
            check=False,
        )
        code = finished.returncode
    except subprocess.TimeoutExpired:
        code = -signal.SIGXCPU
    if code == _REFUSED:
        raise RequestError(finished.stdout.decode())
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise RequestError(
            f"'{path}': {runtime} was not done with a few images after {seconds} seconds of"
            " processor time: the file is damaged or too large"
        )
    if code:
        raise RequestError(f"'{path}': {runtime} crashes on it ({_why(code, finished.stderr)})")
    _survived.add(tried)


def _why(code: int, stderr: bytes) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"exit code {code}"


def main(limits: str) -> int:
    """Open the file that stdin names, within limits; give 0, or 3 with the refusal on stdout."""
    seconds, memory = (int(limit) for limit in limits.split(","))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, options = pickle.load(sys.stdin.buffer)
    stdout = os.dup(1)
    # What runtimes print is not part of a refusal.
    os.dup2(2, 1)
    try:
        _open(examine(path), options)
    except SeveralOutputsError:
        # It has opened; the user is shown which outputs there are.
        return 0
    except RequestError as error:
        os.write(stdout, str(error).encode())
        return _REFUSED
    return 0


if __name__ == "__main__":
    # Runtimes may crash while they are taken down, which is of no concern.
    sys.stdout.flush()
    os._exit(main(sys.argv[1]))
