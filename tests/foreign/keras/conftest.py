"""Starts TensorFlow the way the program does, before any test of this folder imports it."""

import pytest

from kextract import runtime
from tests.foreign.keras import examples

runtime.start()


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive that nothing is wrong with."""
    path = tmp_path_factory.mktemp("sound") / "x.keras"
    return examples.save(examples.small("softmax"), path).read_bytes()
