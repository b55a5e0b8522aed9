import sys
from pathlib import Path

import pytest

from kextract.config import requests
from kextract.errors import RequestError
from kextract.exports.formats import FORMATS, ExportTarget, check_installed, format_of


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.keras", "keras"),
        ("b/a.TFLITE", "tflite"),
        ("a.b.onnx", "onnx"),
        ("folder", "savedmodel"),
    ],
)
def test_a_file_s_ending_says_its_format(name: str, format: str) -> None:
    assert format_of(Path(name)) == format


@pytest.mark.parametrize("name", ["a.pb", "a.weights.h5"])
def test_an_ending_of_no_format_is_answered_with_the_formats(name: str) -> None:
    with pytest.raises(RequestError, match=rf"'{name}'.*--format keras\|savedmodel\|tflite\|onnx"):
        format_of(Path(name))


@pytest.mark.parametrize(("format", "arithmetic"), [("keras", "float16"), ("onnx", "int8")])
def test_only_tflite_has_smaller_numbers(format: str, arithmetic: str) -> None:
    with pytest.raises(RequestError, match=f"--{arithmetic}: is for --format tflite.* {format}"):
        ExportTarget(format, arithmetic)


@pytest.mark.parametrize(
    ("format", "module"),
    [
        ("tflite", "ai_edge_litert"),
        ("onnx", "tf2onnx"),
    ],
)
def test_a_missing_runtime_is_answered_with_what_to_install(
    format: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RequestError, match=rf"{module}.*uv sync --extra {format}") as it:
        check_installed(format)
    assert "\n" not in str(it.value)


def test_the_command_takes_the_formats_that_there_are() -> None:
    assert tuple(FORMATS) == requests.FORMATS
