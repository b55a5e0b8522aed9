"""From what a user types as TEACHER to a black box; services and the like are Python functions.

Model files are tried in a process that may die before this one opens them. LiteRT and onnxruntime
look at the structure of a file and trust the rest: of some two in a thousand damaged TFLite files
the interpreter dies with the whole program, or computes without end. Checks of our own would have
to know all that every operator of theirs takes for granted. A process may die: whatever a file does
there, it is refused in one line here. What it costs is the start of Python and of the runtime, half
a second once per file. A file that only breaks later, on other images, is not found out. TensorFlow
takes seconds to start, and of 800 damaged SavedModels none made it crash, hang or need much memory:
those are opened at once.
"""

import importlib
import os
import pickle
import queue
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.hdf5.safe_hdf5 import OpenFile
from kextract.models.axes import Shape
from kextract.models.heads import SeveralOutputsError
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.stdout import results_alone
from kextract.storage.opening import Identified, Kind, examine
from kextract.teachers import black_box
from kextract.teachers.black_box import FUNCTION, TIMEOUT, BlackBox, FileOptions, restricted
from kextract.teachers.runtimes import (
    ModelFile,
    Numbers,
    open_onnx,
    open_saved_model,
    open_tflite,
    sha256_of,
)
from kextract.text import error_line

Function = Callable[[NDArray[np.float32]], Any]


def open_black_box(
    where: str | Identified,
    options: FileOptions = FileOptions(),  # noqa: B008 - it is frozen
    *,
    access: str | None = None,
    timeout: float = TIMEOUT,
) -> BlackBox:
    """Open `python:module:function`, an .onnx or .tflite file, or a SavedModel folder.

    `access` is one of `kextract.config.shared.ACCESS`: by default all that a file gives, and of a
    function its probabilities; `full` are a function's logits. `timeout` is a function's, seconds
    per call; its `outputs` may be said to be `sigmoids`. Raises RequestError for what cannot be
    opened, naming the flag that is missing.
    """
    if isinstance(where, str) and where.startswith(FUNCTION):
        return _function(where, options, access, timeout)
    teacher = open_model_file(Path(where) if isinstance(where, str) else where, options)
    return restricted(teacher, access or "full")


def _function(where: str, options: FileOptions, access: str | None, timeout: float) -> BlackBox:
    if options.input_shape is None or options.classes is None:
        raise RequestError(
            f"'{where}' says nothing of itself: pass --input-shape and --classes, such as"
            " --input-shape 28,28,1 --classes 10"
        )
    outputs = options.outputs
    if outputs == "sigmoids" and access in (None, "probabilities"):
        access, outputs = outputs, None
    for name, value in (("--outputs", outputs), ("--output-name", options.output_name)):
        if value is not None:
            raise RequestError(
                f"{name} {value}: is for files; --access says what the function '{where}' gives"
            )
    return of_function(
        import_function(where),
        where,
        outputs="logits" if access == "full" else access or "probabilities",
        input_shape=options.input_shape,
        classes=options.classes,
        input_range=options.input_range,
        timeout=timeout,
    )


def of_function(
    function: Function,
    name: str,
    *,
    outputs: str,
    input_shape: Shape,
    classes: int,
    input_range: Preprocessing | None = None,
    timeout: float = TIMEOUT,
) -> BlackBox:
    """Make a teacher of a function from images, float32 (n, h, w, c), to its outputs.

    The images lie in `input_range`, -1 to 1 by default. A call that takes longer than `timeout`
    seconds raises TimeoutError; the function continues in its own thread, unused.
    """

    def ask(images: NDArray[np.uint8]) -> Any:
        numbers = Numbers(np.dtype(np.float32)).encoded(images, input_range or PIXELS)
        return within(timeout, function, numbers)

    return black_box.Function(name, outputs, input_shape, classes, ask)


class EndedError(Exception):
    """A function ended itself, and would have ended the program."""

    may_pass = False


def within(seconds: float, function: Function, images: NDArray[np.float32]) -> Any:
    """Call the function and return what it returns or raise what it raises.

    Raises TimeoutError after so many seconds, EndedError for SystemExit and its like.
    """
    box: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def call() -> None:
        try:
            box.put((True, function(images)))
        except BaseException as error:  # It is raised again where the answer is waited for.
            box.put((False, error))

    Thread(target=call, daemon=True).start()
    try:
        succeeded, result = box.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if succeeded:
        return result
    if not isinstance(result, Exception):
        raise EndedError(f"{type(result).__name__} {result}".rstrip()) from result
    raise result


def import_function(where: str) -> Function:
    """Import what `python:module:function` names, the working folder's modules included.

    Raises RequestError for a module that cannot be imported and a function that is not in it.
    """
    module_name, _, function_name = where.removeprefix(FUNCTION).partition(":")
    if not module_name or not function_name:
        raise RequestError(f"'{where}': name a module and a function, as in python:service:answer")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with results_alone():
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # Importing runs the user's code.
        raise RequestError(
            f"'{where}': cannot import '{module_name}': {error_line(error)}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise RequestError(f"'{where}': '{module_name}' has no function '{function_name}'")
    return function  # type: ignore[no-any-return]


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
