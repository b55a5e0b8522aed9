"""Ways to make an HDF5 file of a whole Keras model what it may not be."""

import io
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np

from tests.storage.mutations import BYTES, STRUCTURE, Mutation
from tests.storage.mutations_of_descriptions import ANY_DESCRIPTION, DESCRIPTIONS

Change = Callable[[h5py.File, Random], None]
ODD_NAMES = ("../x", "/model_weights/conv/x", "", ".", "\x1b[2J", "x" * 5000, "é", "conv", "a/b/c")


def _of_file(change: Change) -> Mutation:
    def mutate(data: bytes, random: Random) -> bytes:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            change(file, random)
        return buffer.getvalue()

    mutate.__name__ = change.__name__
    return mutate


def odd_text(file: h5py.File, random: Random) -> None:
    texts: tuple[Any, ...] = (
        *(b"", b"{", b"[]", b"null", b'{"a":NaN}', b"[" * 100_000, b'{"a":' * 3000, b"9" * 5000),
        *(b'{"a":1,"a":2}', b"\xff\xfe\xff", b"[" + b"{}," * 300_000 + b"{}]", b"x" * (5 << 20)),
        *(3, np.zeros(7), np.zeros((2, 2, 2)), h5py.Empty("f4"), np.array([b"a", b"b"])),
    )
    text = random.choice(texts)
    key = random.choice(("model_config", "model_config", "keras_version"))
    if isinstance(text, bytes) and random.random() < 0.5 and len(text) < 60_000:
        text = np.bytes_(text)
    file.attrs[key] = text


def flip_text(file: h5py.File, random: Random) -> None:
    stored = file.attrs["model_config"]
    text = bytearray(stored if isinstance(stored, bytes) else stored.encode())
    for _ in range(random.choice((1, 1, 4))):
        text[random.randrange(len(text))] = random.choice(b'{}[]",:0129aeN\\')
    file.attrs["model_config"] = bytes(text)


def _names(file: h5py.File, random: Random) -> tuple[Any, str]:
    group = file["model_weights"]
    layers = [group, *(group[name] for name in group if "weight_names" in group[name].attrs)]
    chosen = random.choice(layers)
    return chosen, "layer_names" if chosen is group else "weight_names"


def odd_names(file: h5py.File, random: Random) -> None:
    group, key = _names(file, random)
    names = [str(name) for name in group.attrs[key]]
    kind = random.randrange(7)
    if kind == 0:
        names.append(random.choice((*ODD_NAMES, *names)))
    elif kind == 1 and names:
        names[random.randrange(len(names))] = random.choice(ODD_NAMES)
    elif kind == 2 and names:
        del names[random.randrange(len(names))]
    elif kind == 3:
        random.shuffle(names)
    elif kind == 4:
        del group.attrs[key]
        group.attrs[f"{key}0"], group.attrs[f"{key}1"] = names or ["x"], ["y"]
        return
    elif kind == 5:
        group.attrs[key] = random.choice((3, np.zeros((3, 3)), np.zeros(0), h5py.Empty("f4")))
        return
    names *= random.choice((1, 1, 200))
    if random.random() < 0.5 and sum(len(name) for name in names) < 1000:
        group.attrs[key] = [name.encode() for name in names]
    else:
        group.attrs.create(key, names, (len(names),), h5py.string_dtype())


def swap_tensors(file: h5py.File, random: Random) -> None:
    """Two tensors of a file change places; shapes and names go with them."""
    found: list[str] = []
    file["model_weights"].visititems(
        lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
    )
    group, (one, other) = file["model_weights"], random.sample(found, 2)
    first, second = group[one][()], group[other][()]
    del group[one], group[other]
    group[one], group[other] = second, first


def point_to_rubbish(data: bytes, random: Random) -> bytes:
    """The heap that texts of variable length are in, and what points to it."""
    out = bytearray(data)
    at = data.find(b"GCOL")
    place = at + random.choice((4, 8, 9, 10, 11, 15, 16, 18, 24, 25, 26, 27, 31))
    out[place] = random.choice((0, 1, 0x7F, 0xFF, random.randrange(256)))
    if random.random() < 0.5:
        reference = data.find(at.to_bytes(8, "little"))
        out[reference - 4 + random.randrange(16)] = random.choice((0, 1, 0x7F, 0xFF))
    return bytes(out)


FILES: tuple[Mutation, ...] = (
    *(_of_file(change) for change in (odd_text, flip_text, odd_names, odd_names, swap_tensors)),
    point_to_rubbish,
)
MODELS: tuple[tuple[Mutation, ...], ...] = (DESCRIPTIONS, ANY_DESCRIPTION, FILES, BYTES, STRUCTURE)
"""Families, of which each is drawn as often as the others."""
