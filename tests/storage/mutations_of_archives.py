"""Ways to make a Keras archive what it may not be: its zip, and what is in it."""

import io
import struct
import zipfile
from collections.abc import Callable
from random import Random

from tests.foreign.keras.examples import packed, parts_of
from tests.storage.mutations import BYTES, STRUCTURE, Mutation
from tests.storage.mutations_of_descriptions import DESCRIPTIONS

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


def odd_json(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    name = random.choice((CONFIG, "metadata.json"))
    deep = b"[" * 100_000
    parts[name] = random.choice(
        (
            *(b"", b"{", b"[]", b"null", b'{"a":NaN}', deep, b'{"a":' * 3000, b"[]," * 900_000),
            *(b'{"a":1e999}', b'{"a":1,"a":2}', b"\xff\xfe", b'{"module":"keras"}', b"9" * 5000),
        )
    )
    return packed(parts)


def giant_json(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    parts[CONFIG] = b"[" + b"{}," * 1_390_000 + b"{}]"
    parts[CONFIG] += b" " * random.choice((0, 5 << 20))
    return packed(parts, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def flip_json(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    text = bytearray(parts[CONFIG])
    for _ in range(random.choice((1, 1, 4))):
        text[random.randrange(len(text))] = random.choice(b'{}[]",:0129aeN\\\x00')
    parts[CONFIG] = bytes(text)
    return packed(parts)


def rename_member(data: bytes, random: Random) -> bytes:
    names = ("../config.json", "/etc/passwd", "a\\..\\b", "assets/vocabulary.txt", "config.json/")
    parts = parts_of(data)
    if random.random() < 0.5:
        parts[random.choice(names)] = b"x"
    else:
        parts[random.choice(names)] = parts.pop(random.choice(sorted(parts)))
    return packed(parts)


def drop_member(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    del parts[random.choice(sorted(parts))]
    return packed(parts)


def many_members(data: bytes, random: Random) -> bytes:
    return packed(parts_of(data) | {f"a{number}": b"" for number in range(3000)})


def _written(data: bytes, change: Callable[[zipfile.ZipFile, zipfile.ZipInfo], None]) -> bytes:
    """Write an archive with a change to what is said of its description."""
    buffer, parts = io.BytesIO(), parts_of(data)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name)
            archive.writestr(info, content)
            if name == CONFIG:
                change(archive, info)
    return buffer.getvalue()


def repeat_member(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (CONFIG, CONFIG, random.choice(("metadata.json", CONFIG, WEIGHTS))):
            info = zipfile.ZipInfo(name)
            # Past the warning that zipfile gives.
            archive.NameToInfo.clear()
            archive.writestr(info, parts[name])
    return buffer.getvalue()


def link_member(data: bytes, random: Random) -> bytes:
    def change(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        info.external_attr = random.choice((0o120777, 0o040755, 0o010644)) << 16

    return _written(data, change)


def encrypt_member(data: bytes, random: Random) -> bytes:
    def change(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        info.flag_bits |= random.choice((0x01, 0x20, 0x40, 0x2000))

    return _written(data, change)


def lie_of_size(data: bytes, random: Random) -> bytes:
    def change(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        size = random.choice((0, 1, info.file_size - 1, info.file_size + 1, 1 << 31, 0xFFFFFFFE))
        if random.random() < 0.5:
            info.file_size = size
        else:
            info.compress_size = size

    return _written(data, change)


def overlap(data: bytes, random: Random) -> bytes:
    def change(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        info.header_offset = random.choice((0, 1, info.header_offset - 1, 1 << 31))

    return _written(data, change)


def other_method(data: bytes, random: Random) -> bytes:
    return packed(parts_of(data), random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))


def bomb(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    parts[random.choice((CONFIG, WEIGHTS))] = bytes(random.choice((3 << 20, 64 << 20)))
    return packed(parts, zipfile.ZIP_DEFLATED)


def put_before(data: bytes, random: Random) -> bytes:
    return random.choice((b"MZ", b"#!/bin/sh\n", data)) + data


def put_after(data: bytes, random: Random) -> bytes:
    return data + random.choice((b"\0", b"x" * 100, data, b"PK\x05\x06" + bytes(18)))


def pretend_64_bits(data: bytes, random: Random) -> bytes:
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, random.randrange(len(data)), 1)
    return data[:-22] + locator + data[-22:]


CONTAINERS: tuple[Mutation, ...] = (
    odd_json,
    giant_json,
    flip_json,
    flip_json,
    rename_member,
    drop_member,
    many_members,
    repeat_member,
    link_member,
    encrypt_member,
    lie_of_size,
    overlap,
    other_method,
    bomb,
    put_before,
    put_after,
    pretend_64_bits,
)


def damage_weights(data: bytes, random: Random) -> bytes:
    parts = parts_of(data)
    mutation = random.choice(BYTES if random.random() < 0.5 else STRUCTURE)
    parts[WEIGHTS] = mutation(parts[WEIGHTS], random)
    return packed(parts)


def damage_bytes(data: bytes, random: Random) -> bytes:
    return random.choice(BYTES)(data, random)


def damage_ends(data: bytes, random: Random) -> bytes:
    """The zip's own structure: what members begin with, and the directory at the end."""
    out = bytearray(data)
    starts = [at for at in range(0, len(data), 1) if data.startswith(b"PK", at)]
    for _ in range(random.choice((1, 1, 3))):
        at = random.choice(starts) + random.randrange(46)
        out[min(at, len(out) - 1)] = random.choice((0, 1, 0xFF, random.randrange(256)))
    return bytes(out)


ARCHIVES: tuple[tuple[Mutation, ...], ...] = (
    DESCRIPTIONS,
    CONTAINERS,
    (damage_weights, damage_bytes, damage_ends),
)
"""Families, of which each is drawn as often as the others."""
