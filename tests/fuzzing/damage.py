"""Ways to damage what a file holds: bytes, trees of values, zip members and HDF5 objects.

All are drawn from a `Random`, so the same seed makes the same damage.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any

import h5py
import numpy as np

Mutation = Callable[[bytes, Random], bytes]
NUMBERS = (0, 1, -1, 2, 3, 7, 255, 1000, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, -(1 << 31))
ODD: tuple[Any, ...] = (
    *(None, [], {}, True, -1.5, 1e308, float("nan"), 10**30, [[[1]]], {"a": 1}, [1, 2], [1] * 40),
    *("", "x", "../x", "/etc/passwd", "\x1b[2J", "é\n", "y" * 5000, "a\0b", "SAME_UPPER", "relu"),
    *("Lambda", "TFSMLayer", "os", "eval", "If", "Loop", "NoSuchThing", "__lambda__", "__tensor__"),
)
"""Values that a field may hold in place of its own."""


def flip_bits(data: bytes, random: Random) -> bytes:
    """Half of the times near the beginning, where most of a file's structure is."""
    out = bytearray(data)
    end = random.choice((len(out), min(2048, len(out)), min(64, len(out))))
    for _ in range(random.choice((1, 1, 2, 8))):
        out[random.randrange(end)] ^= 1 << random.randrange(8)
    return bytes(out)


def odd_word(data: bytes, random: Random) -> bytes:
    """A size, a count, an index or an offset becomes large, small, odd, or one beside itself."""
    out = bytearray(data)
    size = random.choice((1, 2, 4, 4, 8))
    at = random.randrange(len(out) - 8) // size * size
    near = int.from_bytes(out[at : at + size], "little") + random.choice((-4, -1, 1, 4, 16))
    value = random.choice((*NUMBERS, near, near, random.getrandbits(64), len(data)))
    out[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(out)


def repoint(data: bytes, random: Random) -> bytes:
    """What looks like an address becomes another one, near it or not: overlaps and circles."""
    words = np.frombuffer(data[: len(data) // 8 * 8], "<u8")
    places = np.flatnonzero((words > 0) & (words < len(data)))
    if not len(places):
        return data + b"\0"
    index = random.randrange(len(places))
    near = max(0, min(len(places) - 1, index + random.randint(-6, 6)))
    source = places[random.choice((near, random.randrange(len(places))))]
    value = random.choice((int(words[source]), 8 * random.randrange(len(words))))
    at = 8 * int(places[index])
    return data[:at] + value.to_bytes(8, "little") + data[at + 8 :]


def copy_block(data: bytes, random: Random) -> bytes:
    out, size = bytearray(data), random.choice((8, 64, 512))
    source, target = (random.randrange(max(1, len(out) - size)) for _ in range(2))
    out[target : target + size] = data[source : source + size]
    return bytes(out)


def cut_or_grow(data: bytes, random: Random) -> bytes:
    at, more = random.randrange(len(data)), random.randbytes(random.choice((1, 8, 2000)))
    return random.choice((data[:at], data + more, data[:at] + more + data[at:]))


BYTES: tuple[Mutation, ...] = (flip_bits, odd_word, repoint, copy_block, cut_or_grow)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every dictionary, list or object's fields within a tree, with each of its keys."""
    inside = tree if isinstance(tree, dict | list) else getattr(tree, "__dict__", None)
    if inside is None:
        return
    for key in list(inside if isinstance(inside, dict) else range(len(inside))):
        yield inside, key
        yield from _places(inside[key])


def _is_number(value: Any) -> bool:
    # JSON of protobuf writes numbers of 64 bits as text.
    return type(value) is int or (isinstance(value, str) and value.lstrip("-").isdecimal())


def disorder(tree: Any, random: Random) -> None:
    """Change one thing, or a few, in a tree of dictionaries, lists and objects, in place."""
    for _ in range(random.choice((1, 1, 1, 3))):
        places = list(_places(tree))
        numbers = [place for place in places if _is_number(place[0][place[1]])]
        lists = [place for place in places if isinstance(place[0], list)]
        inside, key = random.choice(
            random.choice([each for each in (numbers, places, lists) if each])
        )
        other, at = random.choice(places)
        kind = random.randrange(6)
        if kind < 2 and _is_number(inside[key]):
            inside[key] = random.choice(NUMBERS)
        elif kind < 2:
            inside[key] = random.choice(ODD)
        elif kind == 2:
            inside[key] = deepcopy(other[at])
        elif not isinstance(inside, list):
            inside[key] = random.choice((None, 0, *NUMBERS)) if kind == 3 else random.choice(ODD)
        elif kind == 3:
            del inside[key]
        elif kind == 4:
            random.shuffle(inside)
        else:
            inside[key:key] = [deepcopy(inside[key])] * random.choice((1, 10, 2000))


def of_json(data: bytes, random: Random) -> bytes:
    """Change the tree of a JSON text, or its characters."""
    if random.random() < 0.3:
        text = bytearray(data)
        for _ in range(random.choice((1, 1, 4))):
            text[random.randrange(len(text))] = random.choice(b'{}[]",:0129aeN\\\x00')
        return bytes(text)
    tree = json.loads(data)
    disorder(tree, random)
    return json.dumps(tree).encode()


def of_message(kind: Any) -> Mutation:
    """Change the fields of a protobuf message of a kind."""
    from google.protobuf import json_format

    def change(data: bytes, random: Random) -> bytes:
        tree = json_format.MessageToDict(kind.FromString(data), use_integers_for_enums=True)
        disorder(tree, random)
        try:
            return bytes(json_format.ParseDict(tree, kind()).SerializeToString())
        except json_format.ParseError as error:
            raise ValueError(error) from error

    return change


def of_hdf5(change: Callable[[Any, Random], object]) -> Mutation:
    """Turn a change of an open HDF5 file into one of bytes."""

    def mutate(data: bytes, random: Random) -> bytes:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            change(file, random)
        return buffer.getvalue()

    return mutate


def names_of_tensors(file: Any) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") else None)
    return names


def odd_attribute(file: Any, random: Random) -> None:
    """An attribute of any group is missing, or another number, text or list."""
    groups = [file]
    file.visititems(lambda name, item: groups.append(item) if len(item.attrs) else None)
    attributes = random.choice([group for group in groups if len(group.attrs)]).attrs
    name = random.choice(sorted(attributes))
    texts = [str(text) for text in np.ravel(attributes[name])]
    del attributes[name]
    odd: tuple[Any, ...] = (
        *(np.int64(-1), np.float64("nan"), np.uint64(2**64 - 1), np.zeros((3, 3)), h5py.Empty("f")),
        *("text", "x" * (2 << 20), np.bytes_(b"\xff\xfe"), np.bytes_(b"\x1b[2J"), texts * 200),
        *(texts[1:], texts[::-1], [*texts, "../x"], [text.encode() for text in texts]),
    )
    if (value := random.choice((*odd, None))) is not None:
        attributes[name] = value


def odd_text(file: Any, random: Random) -> None:
    """An attribute that is a JSON text has another tree, or other characters."""
    names = [name for name, value in file.attrs.items() if str(value).startswith("{")]
    name = random.choice(names)
    text = file.attrs[name]
    file.attrs[name] = of_json(text if isinstance(text, bytes) else text.encode(), random)


def members_of(data: bytes) -> dict[str, bytes]:
    """Take a zip file apart."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Put a zip file together, without the time of day."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def of_members(change: Callable[[str, bytes, Random], bytes]) -> Mutation:
    """Turn a change of one member into one of a zip file; now and then one is missing or moved."""

    def mutate(data: bytes, random: Random) -> bytes:
        members = members_of(data)
        name = random.choice(sorted(members))
        kind = random.randrange(10)
        if kind == 0:
            del members[name]
        elif kind == 1:
            members[random.choice(sorted(members))] = members[name]
        else:
            members[name] = change(name, members[name], random)
        return packed(members, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))

    return mutate


def odd_record(data: bytes, random: Random) -> bytes:
    """Sizes, offsets, methods and flags of a zip file are in the records of its members."""
    out = bytearray(data)
    starts = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", data)]
    for _ in range(random.choice((1, 1, 3))):
        at = random.choice(starts) + 4 + random.randrange(26)
        out[min(at, len(out) - 1)] = random.choice((0, 1, 0x7F, 0xFF, random.randrange(256)))
    return bytes(out)
