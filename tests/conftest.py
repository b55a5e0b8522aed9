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
