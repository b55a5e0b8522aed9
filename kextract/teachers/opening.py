"""From what a user types as TEACHER to a black box; services and the like are Python functions."""

import importlib
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.axes import Shape
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.stdout import results_alone
from kextract.teachers import black_box
from kextract.teachers.black_box import FUNCTION, TIMEOUT, BlackBox, FileOptions, restricted
from kextract.text import error_line

if TYPE_CHECKING:
    from kextract.storage.opening import Identified

Function = Callable[[NDArray[np.float32]], Any]


def open_black_box(
    where: "str | Identified",
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
    from kextract.teachers.trial import open_model_file

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

    from kextract.teachers.model_file import Numbers

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
