"""Ways to damage a weights file: bytes in, bytes out, the same for the same random numbers."""

import io
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np

HUGE = 1 << 40
Mutation = Callable[[bytes, Random], bytes]


def flip_bits(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)
    return bytes(out)


def flip_header_bits(data: bytes, random: Random) -> bytes:
    """Most of a file's structure is near its beginning."""
    out = bytearray(data)
    for _ in range(random.choice((1, 2, 4))):
        out[random.randrange(min(2048, len(out)))] ^= 1 << random.randrange(8)
    return bytes(out)


def extreme_bytes(data: bytes, random: Random) -> bytes:
    """Sizes, counts and addresses become as large, as small or as odd as they can be."""
    out = bytearray(data)
    at = random.randrange(len(out) - 8) & ~random.choice((0, 1, 3, 7))
    size = random.choice((1, 2, 4, 8))
    values = (b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 7 + b"\x80")
    out[at : at + size] = random.choice((*values, random.randbytes(8)))[:size]
    return bytes(out)


def point_elsewhere(data: bytes, random: Random) -> bytes:
    """An address becomes that of another place in the file: overlaps and cycles."""
    out = bytearray(data)
    at = 8 * random.randrange(len(out) // 8 - 1)
    target = 8 * random.randrange(len(out) // 8)
    out[at : at + 8] = target.to_bytes(8, "little")
    return bytes(out)


def swap_addresses(data: bytes, random: Random) -> bytes:
    """What looks like an address becomes another one that occurs in the file."""
    words = np.frombuffer(data[: len(data) // 8 * 8], "<u8")
    places = np.flatnonzero((words > 0) & (words < len(data)))
    out = bytearray(data)
    at, source = (8 * int(places[random.randrange(len(places))]) for _ in range(2))
    out[at : at + 8] = data[source : source + 8]
    return bytes(out)


def repeat_address(data: bytes, random: Random) -> bytes:
    """A word becomes one that is near it: links in lists and trees point back."""
    out = bytearray(data)
    words = np.frombuffer(data[: len(data) // 8 * 8], "<u8")
    places = np.flatnonzero((words > 0) & (words < len(data)))
    index = random.randrange(len(places))
    source = places[max(0, min(len(places) - 1, index + random.randint(-6, 6)))]
    at = 8 * int(places[index])
    out[at : at + 8] = data[8 * int(source) : 8 * int(source) + 8]
    return bytes(out)


def copy_block(data: bytes, random: Random) -> bytes:
    out, size = bytearray(data), random.choice((8, 64, 512))
    source, target = (random.randrange(len(out) - size) for _ in range(2))
    out[target : target + size] = data[source : source + size]
    return bytes(out)


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def append(data: bytes, random: Random) -> bytes:
    return data + random.randbytes(random.randrange(1, 2000))


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if _is_dataset(item) else None)
    return [name for name in names if not name.startswith("kextract")]


def _is_dataset(item: Any) -> bool:
    return isinstance(item, h5py.Dataset)


def structural(change: Callable[[h5py.File, str, Any, Random], None]) -> Mutation:
    """Turn a change of one tensor (file, its path, its value) into a change of bytes.

    The tensor is taken out of the file first.
    """

    def mutate(data: bytes, random: Random) -> bytes:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            name = random.choice(_datasets(file))
            value = file[name][()]
            del file[name]
            change(file, name, value, random)
        return buffer.getvalue()

    mutate.__name__ = change.__name__
    return mutate


def retype(file: h5py.File, name: str, value: Any, random: Random) -> None:
    kind = random.choice(("<f2", "<f8", ">f4", "<i4", "|u1", "S4", "<c8", "str", "vlen", "record"))
    if kind == "str":
        file.create_dataset(name, value.shape, h5py.string_dtype())
    elif kind == "vlen":
        file.create_dataset(name, value.shape, h5py.vlen_dtype(np.float32))
    elif kind == "record":
        file.create_dataset(name, value.shape, np.dtype([("a", "<f4")]))
    else:
        file[name] = np.zeros(value.shape, kind)


def committed_type(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file["a_type"] = np.dtype("<f4")
    file.create_dataset(name, data=value, dtype=file["a_type"])


def reshape(file: h5py.File, name: str, value: Any, random: Random) -> None:
    shapes = [(*value.shape, 1), (value.size + 1,), (0, *value.shape), (), (1,) * 32]
    file[name] = np.zeros(random.choice(shapes), "<f4")


def declare_huge(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file.create_dataset(name, (HUGE,), "<f4", chunks=(1024,) if random.random() < 0.5 else None)


def leave_unstored(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file.create_dataset(name, value.shape, "<f4", fillvalue=random.random())


def compress(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file.create_dataset(name, data=np.zeros((4096, 256), "<f4"), compression="gzip", shuffle=True)


def chunk(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file.create_dataset(name, data=value, chunks=value.shape, fletcher32=random.random() < 0.5)


def store_externally(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file.create_dataset(name, value.shape, "<f4", external=[("/etc/passwd", 0, value.nbytes)])


def make_virtual(file: h5py.File, name: str, value: Any, random: Random) -> None:
    space = h5py.h5s.create_simple(value.shape)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_virtual(space, random.choice((b".", b"other.h5")), b"x", space)
    # `create_virtual_dataset` writes the time into the file.
    creation.set_obj_track_times(False)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, creation)


def link_softly(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file["elsewhere"] = value
    file[name] = h5py.SoftLink("/elsewhere")


def link_externally(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file[name] = h5py.ExternalLink("other.h5", "/x")


def link_twice(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file[name] = value
    file[f"{name}_again"] = file[name]


def link_in_a_circle(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file[name] = value
    file[name].parent["circle"] = random.choice((file["/"], file[name].parent))


def nest_deeply(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file[name] = value
    file.create_group("/".join("d" * random.choice((40, 400))))


def rename(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file[f"{name}{random.choice(('9', ' ', chr(27) + '[2J', '/x', 'é'))}"] = value


def drop(file: h5py.File, name: str, value: Any, random: Random) -> None:
    return


def add_unknown(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file[name] = value
    file[f"layers/surprise_{random.randrange(9)}/vars/0"] = value


def make_group(file: h5py.File, name: str, value: Any, random: Random) -> None:
    file.create_group(name)["x"] = value


def make_non_finite(file: h5py.File, name: str, value: Any, random: Random) -> None:
    value.flat[random.randrange(value.size)] = random.choice((np.nan, np.inf, -np.inf))
    file[name] = value


BYTES: tuple[Mutation, ...] = (
    flip_bits,
    flip_header_bits,
    extreme_bytes,
    point_elsewhere,
    swap_addresses,
    repeat_address,
    copy_block,
    truncate,
    append,
)
STRUCTURE: tuple[Mutation, ...] = tuple(
    structural(change)
    for change in (
        retype,
        committed_type,
        reshape,
        declare_huge,
        leave_unstored,
        compress,
        chunk,
        store_externally,
        make_virtual,
        link_softly,
        link_externally,
        link_twice,
        link_in_a_circle,
        nest_deeply,
        rename,
        drop,
        add_unknown,
        make_group,
        make_non_finite,
    )
)
