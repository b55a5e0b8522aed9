"""What tests of several rooms share; TensorFlow is imported only where a test needs it."""

import gc
import os
import signal
from pathlib import Path
from types import ModuleType

import pytest

from kextract import runtime


def pytest_configure(config: pytest.Config) -> None:
    """Set up what the processes that tests start inherit."""
    # Without bytecode each of them takes five seconds longer, to compile TensorFlow's modules.
    cache = getattr(config, "cache", None)  # there is none with `-p no:cacheprovider`
    if cache is not None and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(cache.mkdir("bytecode")))
    # Tests are mostly run by uv, which commands are shown with then.
    os.environ.pop("UV_RUN_RECURSION_DEPTH", None)
    # Tests run side by side, one to a core.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    # Scripts start what runs in the background with Ctrl-C ignored, and so would theirs be.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


NEED_TENSORFLOW = {"api", "exports", "foreign", "methods", "models", "teachers", "training"}
"""Rooms whose tests import it at their top."""


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Start TensorFlow as the program does, before a module of such a room imports it."""
    if NEED_TENSORFLOW.intersection(module_path.parts):
        runtime.start()


def pytest_collection_finish() -> None:
    """Let the garbage collector leave out what was imported, which TensorFlow makes a lot of."""
    gc.collect()
    gc.freeze()


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
