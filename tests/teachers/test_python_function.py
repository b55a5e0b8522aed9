"""Functions as teachers: whatever they do, the program goes on and says so."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.errors import RequestError
from kextract.teachers import BlackBox
from kextract.teachers.opening import EndedError, import_function, of_function


def teacher(function: Any, timeout: float = 60.0) -> BlackBox:
    return of_function(
        function, "f", outputs="labels", input_shape=(2, 2, 1), classes=3, timeout=timeout
    )


IMAGES = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(2, 1).repeat(2, 2)


def test_a_function_gets_float_images_and_its_answer_is_given_as_it_is() -> None:
    seen = []
    answer = object()

    def function(images: Any) -> object:
        seen.append(images)
        return answer

    assert teacher(function)(IMAGES) is answer
    assert (seen[0].dtype, seen[0].min(), seen[0].max()) == (np.float32, -1, 1)


@pytest.mark.parametrize("stop", [SystemExit(3), KeyboardInterrupt()])
def test_what_would_end_the_program_ends_the_function_only(stop: BaseException) -> None:
    def function(images: Any) -> Any:
        raise stop

    with pytest.raises(EndedError, match=type(stop).__name__):
        teacher(function)(IMAGES)


def test_an_exception_is_the_function_s_own() -> None:
    with pytest.raises(ZeroDivisionError):
        teacher(lambda images: 1 // 0)(IMAGES)


def test_a_function_that_is_too_slow_is_not_waited_for() -> None:
    import threading

    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        teacher(lambda images: threading.Event().wait(10), timeout=0.01)(IMAGES)


@pytest.mark.parametrize("body", ["raise SystemExit", "1 / 0"])
def test_a_module_that_ends_while_it_is_imported_is_refused(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving.py").write_text(body)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(RequestError, match="cannot import 'leaving'"):
        import_function("python:leaving:answer")
