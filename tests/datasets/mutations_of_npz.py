"""Ways to damage an `.npz`, or to make one that does harm; the same for the same random numbers."""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.datasets.images import random_images, random_labels
from tests.storage.mutations import Mutation, append, copy_block, extreme_bytes, flip_bits, truncate

NAMES = ("x_train", "y_train", "x_test", "y_test", "class_names")
BOMB_BYTES = 250 << 20
"""More than the reader's memory may grow by."""
Members = dict[str, bytes]


def sound_members() -> Members:
    """The members of a sound file, as NumPy writes them."""
    arrays: dict[str, NDArray[Any]] = {"class_names": np.array(["ant", "bee", "wasp"])}
    for half, count in (("train", 12), ("test", 6)):
        arrays[f"x_{half}"] = random_images(count, 16, 18, 3, seed=count)
        arrays[f"y_{half}"] = random_labels(count, 3)
    return {f"{name}.npy": npy(array) for name, array in arrays.items()}


def npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=array.dtype.hasobject)
    return stream.getvalue()


def npy_header(shape: str, descr: str) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def packed(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def of_members(
    change: Callable[[Members, Random], None],
    methods: tuple[int, ...] = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
) -> Mutation:
    """Turn a change of the unpacked members into a change of bytes."""

    def mutate(data: bytes, random: Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members, random)
        return packed(members, random.choice(methods))

    mutate.__name__ = change.__name__
    return mutate


def of_array(change: Callable[[NDArray[Any], Random], NDArray[Any]]) -> Mutation:
    """Turn a change of one array into a change of bytes."""

    def change_one(members: Members, random: Random) -> None:
        name = random.choice(sorted(members))
        array = np.load(io.BytesIO(members[name]))
        members[name] = npy(change(array, random))

    change_one.__name__ = change.__name__
    return of_members(change_one)


def retype(array: NDArray[Any], random: Random) -> NDArray[Any]:
    kinds = (
        ">f4",
        "f2",
        "f8",
        "g",
        "i1",
        "u8",
        ">i8",
        "?",
        "c8",
        "M8[s]",
        "m8[D]",
        "S4",
        "U3",
        "V2",
    )
    kind = random.choice((*kinds, "O", "record"))
    if kind == "record":
        return np.zeros(array.shape, [("a", "u1"), ("b", "O" if random.random() < 0.5 else "f4")])
    if kind == "V2":
        return np.zeros(array.shape, kind)
    numbers = array if array.dtype.kind in "ui" else np.arange(array.size).reshape(array.shape)
    return numbers.astype(kind)


def reshape(array: NDArray[Any], random: Random) -> NDArray[Any]:
    shapes = ((), (0,), (0, *array.shape[1:]), (*array.shape, 1), (array.shape[0], 0), (1,) * 32)
    shape = random.choice((*shapes, array.shape[1:], (array.size,), array.shape[::-1]))
    return np.resize(array, shape)


def odd_values(array: NDArray[Any], random: Random) -> NDArray[Any]:
    if array.dtype.kind == "U":
        return np.array([random.choice(ODD_NAMES) for _ in range(random.choice((0, 1, 3, 70)))])
    floats = array.astype(random.choice(("f2", "f4", "f8")))
    floats.flat[random.randrange(array.size)] = random.choice(
        (np.nan, np.inf, -np.inf, -1.0, 6e4, 0.5)
    )
    return floats if random.random() < 0.5 else array.astype("i8") - random.choice((1, 2**40))


ODD_NAMES = (
    "",
    "[bold]cat[/]",
    "dog\x1b[31m",
    "bird\n\r\x07",
    "\u202egnp.tac",
    "\ud800",
    "x" * 5000,
    "\x00y",
    "=1+1",
)


def impossible_text(members: Members, random: Random) -> None:
    """Characters that no text has: beyond Unicode's last."""
    header = npy_header("(3,)", "'<U2'")
    members["class_names.npy"] = header + random.randbytes(24)


def pickled(members: Members, random: Random) -> None:
    harm = pickle.dumps([print, "harm"] * 3)
    objects = npy(np.array([print] * 3, dtype=object))
    members[random.choice(sorted(members))] = random.choice((harm, objects))


def odd_header(members: Members, random: Random) -> None:
    name = random.choice(sorted(members))
    headers = (
        npy_header("(-8, 16, 16)", "'|u1'"),
        npy_header("(True, 16, 16)", "'|u1'"),
        npy_header("(8, 16, 16", "'|u1'"),
        npy_header("(8, 16, 16)", "__import__('os').abort()"),
        npy_header("((((((((8,))))))))", "'|u1'"),
        npy_header("(" * 90 + ")" * 90, "'|u1'"),
        npy_header("(8, 16, 16)", "'|V0'"),
        npy_header("(8,)", "'<U0'"),
        npy_header("(9999999999999999999999,)", "'<f4'"),
        b"\x93NUMPY" + bytes([random.randrange(5), random.randrange(3)]) + b"\xff" * 30,
        b"",
    )
    members[name] = random.choice(headers) + bytes(random.choice((0, 8, 2048)))


def declare_huge(members: Members, random: Random) -> None:
    name = random.choice(sorted(members))
    shape = random.choice(("(99999999999,)", "(12, 900000, 900000)", "(12, 65536, 65536, 3)"))
    members[name] = npy_header(shape, "'<f8'") + bytes(random.choice((0, 4096)))


def long_header(members: Members, random: Random) -> None:
    """A header's length may be 4 GiB in format 2, and blanks take next to no room in a file."""
    length = BOMB_BYTES
    blanks = struct.pack("<I", length) + b" " * length
    members[random.choice(sorted(members))] = b"\x93NUMPY\x02\x00" + blanks


def more_than_declared(members: Members, random: Random) -> None:
    """A bomb: a small array, and behind it as many zeros as there is room for."""
    members[random.choice(sorted(members))] += bytes(BOMB_BYTES)


def drop(members: Members, random: Random) -> None:
    for _ in range(random.choice((1, 1, 2, 5))):
        members.pop(random.choice(sorted(members)), None) if members else None


def swap(members: Members, random: Random) -> None:
    one, other = random.sample(sorted(members), 2)
    members[one], members[other] = members[other], members[one]


def wander(members: Members, random: Random) -> None:
    """Names that lead out of a folder, should anybody ever unpack the file."""
    name = random.choice(sorted(members))
    places = (f"../../{name}", f"/tmp/{name}", f"C:\\{name}", f"\x1b[2J{name}", "a/" * 200 + name)
    members[random.choice(places)] = members[name]
    if random.random() < 0.5:
        del members[name]


def crowd(members: Members, random: Random) -> None:
    members.update({f"extra{number}.npy": b"" for number in range(5000)})


def twice(data: bytes, random: Random) -> bytes:
    buffer = io.BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with zipfile.ZipFile(buffer, "a") as archive:
            name = random.choice(archive.namelist())
            archive.writestr(name, random.choice((archive.read(name), b"")))
    return buffer.getvalue()


def other_compression(data: bytes, random: Random) -> bytes:
    """Zeros by the hundred megabytes, in methods that unpack a block at once."""
    members = sound_members()
    members[random.choice(sorted(members))] += bytes(BOMB_BYTES)
    return packed(members, random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))


def flip_record_bits(data: bytes, random: Random) -> bytes:
    """Sizes, offsets, methods and flags are in the records of the members."""
    out = bytearray(data)
    signature = random.choice((b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"))
    starts = [at for at in range(len(out)) if out.startswith(signature, at)]
    for _ in range(random.choice((1, 1, 3))):
        at = random.choice(starts) + 4 + random.randrange(16 if signature[2] == 5 else 26)
        out[at] ^= 1 << random.randrange(8)
    return bytes(out)


def another_file(data: bytes, random: Random) -> bytes:
    harm = pickle.dumps({"x_train": [1, 2, 3]})
    return random.choice(
        (b"", harm, b"PK\x05\x06" + bytes(18), b"\x89PNG\r\n\x1a\n", npy(np.ones(3)))
    )


BYTES: tuple[Mutation, ...] = (
    flip_bits,
    flip_record_bits,
    extreme_bytes,
    copy_block,
    truncate,
    append,
)
CONTENT: tuple[Mutation, ...] = (
    *(of_array(change) for change in (retype, reshape, odd_values)),
    *(
        of_members(change)
        for change in (
            impossible_text,
            pickled,
            odd_header,
            declare_huge,
            drop,
            swap,
            wander,
            crowd,
        )
    ),
    twice,
    another_file,
)
BOMBS: tuple[Mutation, ...] = (
    of_members(long_header, (zipfile.ZIP_DEFLATED,)),
    of_members(more_than_declared, (zipfile.ZIP_DEFLATED,)),
    other_compression,
)
"""These take a second each to make, so they come seldom: once in a hundred files."""
