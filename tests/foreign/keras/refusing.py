"""What every refusal of an archive has to be."""

from pathlib import Path

import pytest

from kextract.errors import CheckpointError
from kextract.foreign.keras import load_archive


def refusal(path: Path, data: bytes) -> str:
    """Give what is said about a file, after checking that it is one line."""
    path.write_bytes(data)
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(CheckpointError) as caught:
        load_archive(path)
    assert sorted(path.parent.rglob("*")) == before
    line = str(caught.value)
    assert line.startswith(f"'{path}': ")
    assert line.isprintable()
    return line.removeprefix(f"'{path}': ")
