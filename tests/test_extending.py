"""A method and an architecture are one line of a registry: then all of kextract knows them."""

from pathlib import Path
from typing import Any

import pytest

from kextract import runtime
from kextract.methods import METHODS, MethodSpec
from kextract.models import MODELS, ModelSpec
from kextract.storage import read_info
from tests.cli.program import kextract

TEACHER = "teacher.weights.h5"
OUTPUT = "student.weights.h5"
SHORT = ("--steps-per-epoch", "2", "--batch-size", "4", "--precision", "float32")


def register_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a class that makes flat images of a random grey."""
    runtime.start()
    import tensorflow as tf

    from kextract.methods.base import Batch, Method, MethodContext
    from kextract.methods.making import CLASSES

    class Grey(Method):
        def __init__(self, context: MethodContext) -> None:
            super().__init__(context)
            self._shape = (context.config.batch_size, *context.input_shape)

        def _make_batch(self) -> Batch:
            return Batch(tf.ones(self._shape) * self._random().uniform(-1, 1))

        def metrics(self) -> dict[str, float]:
            return {"confidence": 0.5}

    monkeypatch.setitem(CLASSES, "grey", Grey)


def linear(shape: tuple[int, int, int], classes: int, **_: Any) -> Any:
    runtime.start()
    import keras

    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
    return keras.Sequential(layers)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = MethodSpec("flat images", columns=("confidence",), defaults={"epochs": 3})
    monkeypatch.setitem(METHODS, "grey", spec)
    monkeypatch.setitem(MODELS, "linear", ModelSpec("one layer", linear, normalizes=False))


@pytest.mark.usefixtures("_few_strokes")
def test_a_student_of_the_architecture_is_taught_by_the_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_grey(monkeypatch)
    made = ("train-teacher", "--dataset", "strokes", "--model", "linear", "--epochs", "1")
    assert kextract(*made, "-o", TEACHER, cwd=tmp_path).code == 0
    words = ("distill", TEACHER, "--method", "grey", "--student", "linear", *SHORT, "-o", OUTPUT)
    done = kextract(*words, cwd=tmp_path)
    assert done.code == 0, done.stderr
    info = read_info(tmp_path / OUTPUT)
    assert info is not None
    assert (info.model, len(info.history), info.config["method"]) == ("linear", 4, "grey")
