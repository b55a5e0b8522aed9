"""Zip files that Keras would not write are refused before anything in them is used."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kextract.errors import CheckpointError
from kextract.foreign.keras import load_archive
from tests.foreign.refusing import refusal
from tests.fuzzing.damage import members_of, packed

Change = Callable[[bytes], bytes]


def members(data: bytes, change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """Change what the archive says of its description."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members_of(data).items():
            info = zipfile.ZipInfo(name)
            archive.writestr(info, content)
            if name == "config.json":
                change(info)
    return buffer.getvalue()


def says_of_member(**fields: Any) -> Change:
    def change(info: zipfile.ZipInfo) -> None:
        for name, value in fields.items():
            setattr(info, name, value)

    return lambda data: members(data, change)


def added(name: str) -> Change:
    return lambda data: packed({**members_of(data), name: b"x"})


def instead(name: str) -> Change:
    def change(data: bytes) -> bytes:
        parts = members_of(data)
        del parts["metadata.json"]
        return packed(parts | {name: b"{}"})

    return change


def without(name: str) -> Change:
    return lambda data: packed({k: v for k, v in members_of(data).items() if k != name})


def twice(data: bytes) -> bytes:
    parts = members_of(data)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for _ in range(2):
            archive.NameToInfo.clear()
            archive.writestr("config.json", parts["config.json"])
        archive.writestr("model.weights.h5", parts["model.weights.h5"])
    return buffer.getvalue()


def bomb(data: bytes) -> bytes:
    return packed(members_of(data) | {"config.json": bytes(4 << 20)}, zipfile.ZIP_DEFLATED)


def weights_bomb(data: bytes) -> bytes:
    return packed(members_of(data) | {"model.weights.h5": bytes(99 << 20)}, zipfile.ZIP_DEFLATED)


CONTAINERS: dict[str, tuple[Change, str]] = {
    "a path upwards": (instead("../metadata.json"), "has a member '../metadata.json'"),
    "a path of Windows": (instead("..\\metadata.json"), r"has a member"),
    "one more": (added("extra"), "has 4 members"),
    "no description": (without("config.json"), "it has no 'config.json'"),
    "a member twice": (twice, "has 'config.json' twice"),
    "a link": (says_of_member(external_attr=0o120777 << 16), "as a link"),
    "encrypted": (says_of_member(flag_bits=1), "'config.json' encrypted"),
    "a hidden directory": (says_of_member(flag_bits=0x2000), "'config.json' encrypted"),
    "an odd method": (says_of_member(compress_type=12), "unusual method"),
    "another size": (says_of_member(file_size=1 << 31), "of 2147483648 bytes"),
    "another place": (says_of_member(header_offset=7), "overlap, or something between"),
    "a bomb": (bomb, "would grow more than 200 times"),
    "a bomb of weights": (weights_bomb, "would grow more than 200 times"),
    "a program before": (lambda data: b"#!/bin/sh\n" + data, "does not begin as a zip file"),
    "a zip before": (lambda data: data + data, "before its beginning"),
    "something after": (lambda data: data + b"\0", "something after its end"),
    "a beginning": (lambda data: data[:9], "is truncated"),
    "HDF5": (lambda data: members_of(data)["model.weights.h5"], "does not begin as a zip file"),
}


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_zip_that_keras_does_not_write_is_refused(
    name: str, sound: bytes, tmp_path: Path
) -> None:
    change, says = CONTAINERS[name]
    assert says in refusal(tmp_path / "x.keras", change(sound))


def test_a_folder_and_a_pipe_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "folder.keras").mkdir()
    os.mkfifo(tmp_path / "pipe.keras")
    for name in ("folder.keras", "pipe.keras"):
        with pytest.raises(CheckpointError, match="not a regular file"):
            load_archive(tmp_path / name)
