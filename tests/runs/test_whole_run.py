"""A distillation from argv on: its teacher is opened once, and it is few calls to the gradient."""

import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.config.resolve import COMMAND_LINE, Layer
from kextract.errors import RequestError
from kextract.runs import plan, student
from kextract.runs.invoke import invoke
from kextract.runs.loaded import LoadedTeacher
from kextract.runs.student import StudentRun
from kextract.storage import write_checkpoint
from kextract.storage.info import NO_DATASET, OWN_ARCHITECTURE
from tests.cli.program import kextract
from tests.foreign.keras.examples import save
from tests.storage.examples import INFO

ROOT = Path(__file__).parents[2]
OWN = replace(
    INFO,
    kind="teacher",
    model=OWN_ARCHITECTURE,
    pooling="none",
    input_shape=(16, 16, 1),
    dataset=NO_DATASET,
    config={},
)
_opened: list[str] | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str | bytes):
        name = arguments[0]
        _opened.append(name if isinstance(name, str) else name.decode())


# It stays as long as the process does, and costs nothing while nobody looks.
sys.addaudithook(_note)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of all files that are opened, by Python and by HDF5."""
    names: list[str] = []
    real = h5py.h5f.open

    def counted(name: Any, *args: Any, **more: Any) -> Any:
        names.append(str(name))
        return real(name, *args, **more)

    monkeypatch.setattr(h5py.h5f, "open", counted)
    monkeypatch.setattr(sys.modules[__name__], "_opened", names)
    yield names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tensorflow: object) -> Path:
    """A folder with one network in three kinds of files."""
    import keras

    folder = tmp_path_factory.mktemp("teachers")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    write_checkpoint(folder / "x.weights.h5", model, OWN)
    save(model, folder / "x.keras")
    save(model, folder / "x.hdf5")
    return folder


def calls_on_the_page() -> list[tuple[str, ...]]:
    """Give file, function and line of each call that docs/architecture.md walks through."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.split("## From the command line to the gradient\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(kextract/[^`]+)` \| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE)


def test_a_distillation_opens_its_teacher_once_and_takes_the_calls_of_the_page(
    folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kextract.training.updating import train_step

    walked: list[traceback.StackSummary] = []

    def watched(*args: Any) -> Any:
        walked.append(traceback.extract_stack())
        return train_step(*args)

    monkeypatch.setattr("kextract.training.student.train_step", watched)
    words = "distill x.weights.h5 --student lenet5-half --method random --output y.weights.h5"
    short = "--epochs 1 --steps-per-epoch 1 --batch-size 4"
    done = kextract(*words.split(), *short.split(), cwd=folder)
    assert done.code == 0, done.stderr
    assert len([name for name in opened if name.endswith("x.weights.h5")]) == 1
    ours = [
        (Path(frame.filename).relative_to(ROOT).as_posix(), frame.name, frame.line)
        for frame in walked[0]
        if Path(frame.filename).is_relative_to(ROOT / "kextract")
    ]
    assert ours == calls_on_the_page()
    assert len(ours) < 15


@pytest.mark.parametrize("name", ["x.weights.h5", "x.keras", "x.hdf5"])
def test_a_teacher_is_read_as_it_was_when_its_method_was_chosen(
    name: str, folder: Path, tmp_path: Path, opened: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes((folder / name).read_bytes())
    opened.clear()
    given = {"teacher": path, "student": "lenet5-half"}
    invocation = invoke("distill", Layer(COMMAND_LINE, given))
    path.unlink()
    teacher, _ = StudentRun(invocation).teacher.load("float32")
    assert len([each for each in opened if each.endswith(name)]) == 1
    images = np.zeros((2, 16, 16, 1), np.float32)
    assert teacher(images).shape == (2, 3)


@pytest.mark.parametrize("name", ["x.onnx", "x.tflite"])
def test_a_file_of_another_program_is_opened_once(
    name: str, folder: Path, tmp_path: Path, opened: list[str]
) -> None:
    import keras
    import tensorflow as tf

    path, model = tmp_path / name, keras.models.load_model(folder / "x.keras")
    if name == "x.onnx":
        path.write_bytes((ROOT / "tests/foreign/onnx/files/cnn-traced.onnx").read_bytes())
    else:
        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    opened.clear()
    given = {"teacher": path, "student": "tiny"}
    run = StudentRun(invoke("distill", Layer(COMMAND_LINE, given)))
    assert run.teacher.info.classes > 1
    assert len([each for each in opened if each.endswith(name)]) == 1


@pytest.mark.parametrize("looking", [0.0, 3600.0])
def test_minutes_that_are_too_few_are_refused_before_anything_is_tried(
    looking: float, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the teacher is looked at where that is plain already, and else right after."""
    clock, done = SimpleNamespace(now=0.0), []

    def look(loaded: LoadedTeacher, validation: object) -> None:
        clock.now += looking
        done.append("looked")

    monkeypatch.setattr(student, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(student, "fitted", lambda *args, **more: done.append("tried"))
    monkeypatch.setattr(LoadedTeacher, "examine", look)
    if not looking:
        monkeypatch.setattr(plan, "speed", lambda: 1.0)
    given = {"teacher": folder / "x.keras", "student": "tiny", "method": "random", "minutes": 1.0}
    run = StudentRun(invoke("distill", Layer(COMMAND_LINE, given)))
    with pytest.raises(RequestError, match=r"^--minutes 1: "):
        run.build()
    assert done == (["looked"] if looking else [])


def test_a_copy_of_the_teacher_is_timed_beside_it_and_both_as_compiled_graphs() -> None:
    import keras

    called: list[str] = []

    class Noting(keras.layers.Layer):
        def call(self, images: Any) -> Any:
            called.append(self.name)
            return images

    def network(name: str) -> Any:
        return keras.Sequential([keras.Input((16, 16, 1)), Noting(name=name)])

    teacher = SimpleNamespace(info=OWN)
    loaded = SimpleNamespace(folded=network("teacher"))
    run: Any = SimpleNamespace(
        network=network("copy"), loaded=loaded, teacher=teacher, called="teacher@0.5"
    )
    called.clear()
    assert "teacher@0.5 takes " in StudentRun._beside_teacher(run)
    assert called == ["copy", "teacher"], "each is traced once, however often it runs"
