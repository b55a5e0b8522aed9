import pytest

from tests.foreign.keras import examples


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive that nothing is wrong with."""
    path = tmp_path_factory.mktemp("sound") / "x.keras"
    return examples.save(examples.small("softmax"), path).read_bytes()
