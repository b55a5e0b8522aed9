"""What every refusal of a file of others has to be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kextract.errors import CheckpointError, KextractError
from kextract.foreign.keras import load_archive


def refused(
    read: Callable[..., object],
    path: Path,
    kind: type[KextractError] = CheckpointError,
    **options: Any,
) -> str:
    """Read a file that is to be refused in one line; give the line without the path."""
    with pytest.raises(kind) as caught:
        read(path, **options)
    line = str(caught.value)
    assert line.startswith(f"'{path}': ")
    assert line.isprintable()
    return line.removeprefix(f"'{path}': ")


def refusal(path: Path, data: bytes) -> str:
    """Give what is said about an archive of these bytes, which leaves nothing behind."""
    path.write_bytes(data)
    before = sorted(path.parent.rglob("*"))
    line = refused(load_archive, path)
    assert sorted(path.parent.rglob("*")) == before
    return line
