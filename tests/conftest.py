"""What tests of several folders share; nothing here imports TensorFlow until a test asks for it."""

from types import ModuleType

import pytest

from kextract import runtime


@pytest.fixture(scope="session")
def tensorflow() -> ModuleType:
    """TensorFlow, started as the program starts it."""
    runtime.start()
    import tensorflow as tf

    return tf  # type: ignore[no-any-return]


@pytest.fixture
def _few_strokes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the generated data set be small in this process: 600 and 200 images."""
    monkeypatch.setattr("kextract.datasets.strokes.TRAIN_COUNT", 600)
    monkeypatch.setattr("kextract.datasets.strokes.TEST_COUNT", 200)
