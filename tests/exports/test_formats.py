import json
import random
import sys
import zipfile
from pathlib import Path

import pytest

from kextract.errors import RequestError
from kextract.exports.formats import ExportTarget, check_installed, format_of, read_names


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


NAMES = ("ant", "bee", "c\u00e4t")


def field(number: int, content: bytes) -> bytes:
    """A field of protocol buffers that holds bytes."""
    return bytes([number << 3 | 2, *varint(len(content))]) + content


def varint(number: int) -> list[int]:
    return [number] if number < 128 else [number & 127 | 128, *varint(number >> 7)]


def onnx_bytes(graph: bytes = b"") -> bytes:
    entries = {"producer": b"x", "class_names": json.dumps(NAMES).encode()}
    properties = [field(1, key.encode()) + field(2, text) for key, text in entries.items()]
    version, opset = bytes([1 << 3, 8]), field(8, bytes([2 << 3, 17]))
    graph = graph or field(2, b"g" * 70_000)
    return version + field(7, graph) + opset + b"".join(field(14, each) for each in properties)


def tflite(path: Path, *members: str) -> Path:
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    with zipfile.ZipFile(path, "a") as attached:
        for member in members:
            attached.writestr(member, "\n".join(NAMES))
    return path


@pytest.mark.parametrize(
    ("members", "found"),
    [(["labels.txt"], NAMES), (["labelmap.txt"], NAMES), (["a.txt", "b.txt"], ()), (["a"], ())],
)
def test_one_text_attached_to_a_tflite_file_has_the_names(
    members: list[str], found: tuple[str, ...], tmp_path: Path
) -> None:
    assert read_names(tflite(tmp_path / "a.tflite", *members)) == found


def test_a_damaged_file_has_no_names_or_others(tmp_path: Path) -> None:
    path, generator = tmp_path / "a.onnx", random.Random(0)
    whole = onnx_bytes(b"\xff" * 20)
    for _ in range(300):
        data = bytearray(whole[: generator.choice([len(whole), generator.randrange(len(whole))])])
        for _ in range(generator.randrange(4)):
            data[generator.randrange(len(data) or 1) : 1] = bytes([generator.randrange(256)])
        path.write_bytes(data)
        assert all(isinstance(name, str) for name in read_names(path))
