"""Checks on the bytes of an HDF5 file, for what the HDF5 library itself does not survive.

A group keeps the names of its members in a local heap, whose unused parts form a linked list. If
the list runs into itself, HDF5 (2.0) follows it for ever when it opens the group, in C, where no
signal gets through, and allocates at each step. So all lists are walked here beforehand.

Texts of variable length are in global heaps, one piece after the other. These are walked too, so
that every piece lies within its heap and no heap is larger than what may be read of it.
"""

import mmap
import struct
from collections.abc import Callable
from typing import BinaryIO

from kextract.errors import Refused

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_STEPS = 200_000
"""Heaps and free blocks together; a file has one heap a group and few free blocks in each."""

MAX_GLOBAL_HEAP = 16 << 20
"""Bytes; the longest text of variable length is in a heap of its own."""

_GLOBAL_HEAP = struct.Struct("<4sB3xQ")
_PIECE = struct.Struct("<HHxxxxQ")
_HEAP = struct.Struct("<4sB3xQQQ")
_BLOCK = struct.Struct("<QQ")
_LAST = 1
# Offset of the size of addresses and of the base address, by version of the superblock.
_SUPERBLOCKS = {0: (13, 24), 1: (13, 28), 2: (9, 12), 3: (9, 12)}
_HEADER_BYTES = 48


def check_raw(file: BinaryIO) -> None:
    """Raise Refused for bytes that are not HDF5 as h5py writes it or would make HDF5 hang."""
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    if not header.startswith(SIGNATURE):
        raise Refused("is not an HDF5 file")
    if len(header) < _HEADER_BYTES:
        raise Refused("is truncated")
    _check_superblock(header)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _check_all(data, b"HEAP", _free_blocks, "heaps and free blocks")
        _check_all(data, b"GCOL", _pieces, "pieces of text")


def _check_superblock(header: bytes) -> None:
    """Make sure that an address is a plain 8-byte position in the file, as is assumed below."""
    sizes, base = _SUPERBLOCKS.get(header[len(SIGNATURE)], (0, 0))
    if not sizes:
        raise Refused("has an unknown version of HDF5")
    if header[sizes : sizes + 2] != b"\x08\x08" or any(header[base : base + 8]):
        raise Refused("has addresses of an unusual size or base")


def _check_all(
    data: mmap.mmap, mark: bytes, count: Callable[[mmap.mmap, int, int], int], what: str
) -> None:
    """Walk whatever looks like a heap: numbers that do so by chance have no list that repeats."""
    steps, at = 0, data.find(mark)
    while at >= 0:
        steps += 1 + count(data, at, MAX_STEPS - steps)
        if steps > MAX_STEPS:
            raise Refused(f"has more than {MAX_STEPS} {what}")
        at = data.find(mark, at + 1)


def _free_blocks(data: mmap.mmap, at: int, limit: int) -> int:
    """Count the blocks of a heap's free list, at most one above `limit`."""
    if at + _HEAP.size > len(data):
        return 0
    _, version, size, block, start = _HEAP.unpack_from(data, at)
    if version != 0 or start + size > len(data):
        return 0
    seen: set[int] = set()
    # HDF5 gives up by itself where a block lies outside the heap.
    while block != _LAST and block + _BLOCK.size <= size and len(seen) <= limit:
        if block in seen:
            raise Refused(f"has a heap at byte {at} whose free list runs in a circle")
        seen.add(block)
        block, _ = _BLOCK.unpack_from(data, start + block)
    return len(seen)


def _pieces(data: mmap.mmap, at: int, limit: int) -> int:
    """Count the pieces of a global heap, at most one above `limit`."""
    if at + _GLOBAL_HEAP.size > len(data):
        return 0
    _, version, size = _GLOBAL_HEAP.unpack_from(data, at)
    if version != 1:
        return 0
    if size > min(MAX_GLOBAL_HEAP, len(data) - at):
        raise Refused(f"has a heap of texts at byte {at} of {size} bytes")
    count, place = 0, _GLOBAL_HEAP.size
    while place + _PIECE.size <= size and count <= limit:
        number, _, length = _PIECE.unpack_from(data, at + place)
        # Piece 0 is what is left of the heap; its length counts its own beginning.
        step = length if number == 0 else _PIECE.size + -(-length // 8) * 8
        if step < _PIECE.size or place + step > size:
            raise Refused(f"has a heap of texts at byte {at} whose pieces do not fit into it")
        place += step
        count += 1
    return count
