"""Reads damaged files of other runtimes: `python -m tests.teachers.fuzz_files --count 8000`.

A quarter of them are ONNX files, TFLite files of floats and of eight bits, and SavedModels each.
They are read as the program does it: `inspect`, and `evaluate` on a few images where that is read.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np

from tests import fuzzing
from tests.cli.program import Finished, kextract
from tests.fuzzing import Report
from tests.storage.mutations import (
    Mutation,
    extreme_bytes,
    flip_bits,
    flip_header_bits,
    truncate,
)

Files = dict[str, bytes]
"""The files of a model by path."""
MODELS = ("float.onnx", "float.tflite", "int8.tflite", "saved")
SHAPE = (16, 16, 3)
GRAPH = "saved/saved_model.pb"
NUMBERS = (0, 1, -1, 2, 3, 255, 1 << 16, 1 << 24, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1)
TEXTS = ("", "x", "../x", "/etc/passwd", "Conv", "If", "ReadFile", "\x1b[2J", "é", "y" * 5000)


def write_sound(folder: Path) -> dict[str, Files]:
    """Write a small network in every format."""
    from kextract import runtime

    runtime.start()
    from tests.teachers import networks
    from tests.teachers.networks import network

    # `evaluate` measures on images of this size and more.
    with patch.object(networks, "SHAPE", SHAPE):
        networks.write_onnx(folder / "float.onnx", network())
        networks.write_tflite(folder / "float.tflite", network())
        networks.write_tflite(folder / "int8.tflite", network("probabilities"), "int8")
        networks.write_saved_model(folder / "saved", network("probabilities"))
    return {name: _files(folder / name, folder) for name in MODELS}


def _files(path: Path, folder: Path) -> Files:
    paths = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
    return {str(item.relative_to(folder)): item.read_bytes() for item in sorted(paths)}


def odd_word(data: bytes, random: Random) -> bytes:
    """A size, an index, an offset or an option of four bytes becomes another one."""
    out = bytearray(data)
    at = 4 * random.randrange(len(out) // 4)
    near = int.from_bytes(out[at : at + 4], "little") + random.choice((-4, -1, 1, 4, 16))
    value = random.choice((*NUMBERS, near, near, random.getrandbits(32)))
    out[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(out)


def odd_field(message: Any, random: Random) -> None:
    """One field of a message, or of those inside, becomes another number, text or list."""
    chosen = random.choice(list(_fields(message)))
    owner, field = chosen
    value = getattr(owner, field.name)
    if field.is_repeated:
        kind = random.randrange(3)
        if kind == 0 or field.message_type is not None:
            del value[random.randrange(len(value))]
        elif kind == 1:
            value.append(value[-1])
        else:
            value[random.randrange(len(value))] = _odd(value[0], field, random)
    else:
        setattr(owner, field.name, _odd(value, field, random))


def _odd(value: Any, field: Any, random: Random) -> Any:
    if field.enum_type is not None:
        return random.choice([item.number for item in field.enum_type.values])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        large = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
        number = random.choice((*NUMBERS, value + 1, value - 1, value * 2))
        if not large:
            number = min(number, (1 << 31) - 1)
        unsigned = field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64)
        return max(number, 0) if unsigned else number
    if isinstance(value, float):
        return random.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    text = random.choice(TEXTS)
    return text.encode() if isinstance(value, bytes) else text


def _fields(message: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every field that is set, but those that hold a single message, with its owner."""
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            # By key: there is no order in which one of them could be chosen.
            inner = [value[key] for key in sorted(value)]
            if kind.fields_by_name["value"].message_type is None:
                continue
        else:
            if field.is_repeated or kind is None:
                yield message, field
            inner = [] if kind is None else value if field.is_repeated else [value]
        for item in inner:
            yield from _fields(item)


def odd_onnx(data: bytes, random: Random) -> bytes:
    from onnx import ModelProto

    return _changed(ModelProto.FromString(data), random)


def odd_graph(data: bytes, random: Random) -> bytes:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    return _changed(SavedModel.FromString(data), random)


def _changed(message: Any, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 3))):
        odd_field(message, random)
    return bytes(message.SerializeToString())


BYTES: tuple[Mutation, ...] = (flip_bits, flip_header_bits, extreme_bytes, odd_word, truncate)
STRUCTURE: dict[str, Mutation] = {
    "float.onnx": odd_onnx,
    "float.tflite": odd_word,
    "int8.tflite": odd_word,
    GRAPH: odd_graph,
}
"""What is more than damaged bytes, by file."""


class ModelFiles:
    """A `Family` of damaged files of other runtimes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self._sound = write_sound(Path(name))

    def get_ready(self) -> None:
        """Read the sound ones, so that all that is imported late is there."""
        with tempfile.TemporaryDirectory() as name:
            for model in MODELS:
                self._write(model, self._sound[model], Path(name))
                what, message = self.read()
                assert what == "read", message

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        random = Random(f"{self._seed}-{number}")
        model = MODELS[number % len(MODELS)]
        sound = self._sound[model]
        member = random.choice([*sound, GRAPH, GRAPH] if GRAPH in sound else list(sound))
        mutation = random.choice(BYTES)
        if member in STRUCTURE and random.random() < 0.6:
            mutation = STRUCTURE[member]
        self._write(model, sound | {member: mutation(sound[member], random)}, folder)
        return model, getattr(mutation, "__name__", "?")

    def _write(self, model: str, files: Files, folder: Path) -> None:
        self._folder, self._model = folder, model
        shutil.rmtree(folder / "saved", ignore_errors=True)
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
        labels = np.array([0, 1, 2, 3, 0])
        np.savez(folder / "x.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)

    def read(self) -> tuple[str, str]:
        """Let two commands read the file; what native code writes on the terminal counts too."""
        with _native_stderr() as written:
            found = kextract("inspect", self._model, cwd=self._folder)
            if found.code == 0:
                words = ("--dataset", "x.npz", "--threads", 1)
                found = kextract("evaluate", self._model, *words, cwd=self._folder)
        return _outcome(found, b"".join(written).decode(errors="replace"))

    def allowed(self, base: str) -> set[str]:
        # Other numbers in a file are simply another network.
        return {"refused", "read"}


@contextmanager
def _native_stderr() -> Iterator[list[bytes]]:
    """Collect what is written to file descriptor 2."""
    written: list[bytes] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            written.append(file.read())


def _outcome(found: Finished, native: str) -> tuple[str, str]:
    if native:
        return "chatter", native
    if found.code == 0:
        return "read", ""
    lines = found.stderr.splitlines()
    # A line on which pixels are taken for which may come first.
    refused = bool(lines) and lines[-1].startswith("kextract: ") and found.code in (1, 2)
    return ("refused" if refused else f"exit {found.code}"), "\\n".join(lines)


def run(count: int, seed: int) -> Report:
    """Read `count` damaged files and report."""
    return fuzzing.run(ModelFiles(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(ModelFiles, __doc__ or ""))
