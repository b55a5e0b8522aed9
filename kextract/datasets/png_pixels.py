"""How much a PNG unpacks to, found out before it is decoded.

The decoder goes on unpacking after the last row, up to a thousand times the size of the file.
"""

import struct
import zlib

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Numbers a pixel, by colour type."""
_BEGINNING = 33
"""Signature and header chunk, bytes."""
_STEP = 1 << 20


def has_too_many_pixels(data: bytes) -> bool:
    """Tell whether a PNG, its header chunk known to be there, unpacks to far more than it declares.

    What is damaged otherwise is left to the decoder to refuse.
    """
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    row: int = 1 + -(-width * depth * _CHANNELS.get(colour, 4) // 8)
    # Interlacing adds a little, and some writers a few bytes at the end.
    left: int = 2 * height * row + (1 << 16)
    unpacker = zlib.decompressobj()
    try:
        for packed in _pixel_chunks(data):
            while packed and left >= 0:
                left -= len(unpacker.decompress(packed, min(left + 1, _STEP)))
                packed = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return left < 0


def _pixel_chunks(data: bytes) -> list[bytes]:
    chunks, at = [], _BEGINNING
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IDAT":
            chunks.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return chunks
