"""What a runtime in native code does to its process is suffered by another one."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from kextract.errors import RequestError
from kextract.teachers import open_black_box, trial
from tests.teachers.networks import network, write_onnx, write_tflite

FAULTS = {
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "crashes on it (SIGSEGV)",
    "import os; os.abort()": "crashes on it (SIGABRT)",
    "while True: pass": "was not done with a few images after 1 seconds",
    "bytearray(1 << 34)": "crashes on it (MemoryError)",
    "print('chatter'); raise ImportError": "is not installed: in kextract's folder run uv",
}
"""What a runtime may do, in place of its import, and what is said of it."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_runtime_is_one_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    (tmp_path / "onnxruntime.py").write_text(fault)
    (tmp_path / "x.onnx").write_bytes(b"anything")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trial, "SECONDS", 1)
    with pytest.raises(RequestError) as caught:
        open_black_box(str(tmp_path / "x.onnx"))
    assert FAULTS[fault] in str(caught.value)
    assert f"'{tmp_path / 'x.onnx'}'" in str(caught.value)
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_a_sound_file_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_onnx(tmp_path / "sound.onnx", network())
    started: list[Any] = []
    run = subprocess.run

    def counted(*arguments: Any, **options: Any) -> Any:
        started.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr("subprocess.run", counted)
    for _ in range(2):
        assert open_black_box(str(path)).classes == 4
    assert len(started) == 1


def test_a_name_in_a_file_that_is_not_a_text_is_refused(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "named.tflite", network())
    data = path.read_bytes()
    assert b"serving_default" in data
    path.write_bytes(data.replace(b"serving_default", b"\xfferving_default"))
    with pytest.raises(RequestError, match=r"named\.tflite': LiteRT cannot read it: ") as caught:
        open_black_box(str(path))
    assert str(caught.value).isprintable()
