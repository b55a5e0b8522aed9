"""Reads damaged models of TensorFlow.js: `python -m tests.storage.fuzz_tfjs --count 4000`."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests import fuzzing
from tests.foreign.keras.tfjs import JSON, SHARDS, converted
from tests.foreign.keras.write_keras_2 import FILES
from tests.fuzzing import Report
from tests.storage.fuzz_archives import Base, read_one
from tests.storage.mutations import flip_bits
from tests.storage.mutations_of_descriptions import (
    HUGE,
    confuse_value,
    drop_key,
    make_huge,
    swap_values,
)

Change = Callable[[Any, Random], object]
Files = dict[str, bytes]
PATHS = ("../secret", "/etc/hostname", "", ".", "a\0b", "x" * 5000, *SHARDS, JSON, 3, None)
TEXTS = ("", "[]", "null", '{"a":NaN}', "[" * 100_000, '{"a":' * 3000, '{"a":1,"a":2}', "9" * 5000)


def odd_path(model: Any, random: Random) -> None:
    paths = model["weightsManifest"][0]["paths"]
    paths[random.randrange(len(paths))] = random.choice(PATHS)
    paths[:] = (paths * random.choice((1, 1, 1, 3000)))[:5000]


def odd_weight(model: Any, random: Random) -> None:
    weight = random.choice(model["weightsManifest"][0]["weights"])
    shape = random.choice(
        ([*weight["shape"], 1], weight["shape"][1:], [random.choice(HUGE)], [1] * 40)
    )
    quantization: dict[str, Any] = {
        "dtype": random.choice(("uint8", "uint16", "float16", "int8", None, [])),
        "scale": random.choice((0, 1e300, -1, "1", None)),
        "min": random.choice((0, 1e300, None)),
    }
    key, value = random.choice(
        (
            *(("shape", shape), ("quantization", quantization), ("quantization", 3)),
            *(("dtype", random.choice(("string", "float16", "int32", "uint8", 7))),),
            ("name", random.choice(("", "kernel", "\x1b[2J", "x" * 5000, "a/b/c/kernel"))),
        )
    )
    weight[key] = value


def several_groups(model: Any, random: Random) -> None:
    model["weightsManifest"] = (model["weightsManifest"] * random.choice((2, 300)))[:300]


def split_groups(model: Any, random: Random) -> None:
    (group,) = model["weightsManifest"]
    at = random.randrange(len(group["weights"]))
    model["weightsManifest"] = [
        {"paths": group["paths"][:1], "weights": group["weights"][:at]},
        {"paths": group["paths"][1:], "weights": group["weights"][at:]},
    ]


def make_graph(model: Any, random: Random) -> None:
    model["modelTopology"] = random.choice(({"node": []}, [], 3, {"model_config": []}))


def _of_model(change: Change) -> Change:
    """Change the description of the layers alone."""

    def of_model(model: Any, random: Random) -> object:
        return change(model["modelTopology"]["model_config"], random)

    of_model.__name__ = f"{change.__name__} of layers"
    return of_model


CHANGES: tuple[Change, ...] = (
    *(odd_path, odd_weight, odd_weight, several_groups, split_groups, make_graph),
    *(make_huge, confuse_value, drop_key, swap_values),
    *(_of_model(change) for change in (make_huge, confuse_value, drop_key, swap_values)),
)


def mutate(base: Files, seed: int, index: int) -> tuple[str, Files]:
    """Make model number `index`; give what was changed, and its files."""
    random, files = Random(f"{seed}-{index}"), dict(base)
    kind = random.randrange(10)
    if kind == 0:
        name = random.choice(SHARDS)
        size = random.choice((0, 1, len(files[name]) - 4, len(files[name]) + 4))
        files[name] = files[name].ljust(size, b"\0")[:size]
        return "size", files
    if kind == 1:
        name = random.choice((JSON, *SHARDS))
        files[name] = flip_bits(files[name], random)
        return "bits", files
    if kind == 2:
        text = files[JSON].decode()
        texts = (*TEXTS, text[: random.randrange(len(text))], f'{{"a":[{"{}," * 300_000}0]}}')
        files[JSON] = random.choice(texts).encode()
        return "text", files
    model, names = json.loads(files[JSON]), []
    for _ in range(random.choice((1, 1, 1, 3))):
        change = random.choice(CHANGES)
        try:
            change(model, random)
        except (LookupError, TypeError, AttributeError, ValueError):
            # What a change before has left of the model.
            continue
        names.append(getattr(change, "__name__", "?"))
    files[JSON] = json.dumps(model).encode()
    return " and ".join(names), files


def base_files(folder: Path) -> Base:
    """Write a sound model, and give its digest."""
    from kextract.foreign.keras import load_archive

    path = converted(FILES / "convolutions.h5", folder)
    return Base("tfjs", path.read_bytes(), load_archive(path)[1].sha256)


class Models:
    """A `Family` of damaged models of TensorFlow.js."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        with tempfile.TemporaryDirectory() as name:
            self._base = base_files(Path(name))
            self._files = {each.name: each.read_bytes() for each in Path(name).iterdir()}

    def get_ready(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            base_files(Path(name))

    def make(self, number: int, folder: Path) -> tuple[str, str]:
        mutation, files = mutate(self._files, self._seed, number)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        self._path = folder / JSON
        return "tfjs", mutation

    def read(self) -> tuple[str, str]:
        return read_one(self._path, self._base)

    def allowed(self, base: str) -> set[str]:
        # Weights have no check sums.
        return {"refused", "identical", "other tensors"}


def run(count: int, seed: int) -> Report:
    """Read `count` damaged models and report."""
    return fuzzing.run(Models(seed), count)


if __name__ == "__main__":
    sys.exit(fuzzing.main(Models, __doc__ or ""))
