"""A Python function as a teacher: how services and everything else without a file are asked."""

import importlib
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import RequestError
from kextract.models.axes import Shape
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.stdout import results_alone
from kextract.teachers.black_box import FUNCTION, TIMEOUT
from kextract.teachers.model_file import Numbers
from kextract.text import error_line

Function = Callable[[NDArray[np.float32]], Any]


class PythonFunction:
    """A `BlackBox` around a function from images, float32 (n, h, w, c), to its outputs.

    The images lie in `input_range`, -1 to 1 by default. A call that takes longer than `timeout`
    seconds raises TimeoutError; the function continues in its own thread, unused.
    """

    def __init__(
        self,
        function: Function,
        name: str,
        *,
        outputs: str,
        input_shape: Shape,
        classes: int,
        input_range: Preprocessing | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.name, self.outputs = name, outputs
        self.input_shape, self.classes = input_shape, classes
        self._function = function
        self._input_range = input_range or PIXELS
        self._timeout = timeout

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Answer images (n, h, w, c) with whatever the function returns."""
        numbers = Numbers(np.dtype(np.float32)).encoded(images, self._input_range)
        answer: NDArray[Any] = within(self._timeout, self._function, numbers)
        return answer


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
