import struct
import zlib

import numpy as np
import pytest

from kextract.datasets.png_pixels import has_too_many_pixels
from tests.datasets.images import png_bytes, png_chunk, random_images


def png(pixels: bytes, *, side: int = 20, depth: int = 8, colour: int = 0) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0))
    # A writer may cut its pixels into as many chunks as it likes.
    packed = zlib.compress(pixels)
    halves = (packed[: len(packed) // 2], packed[len(packed) // 2 :])
    chunks = b"".join(png_chunk(b"IDAT", half) for half in halves)
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"tEXt", b"a\0b") + chunks


@pytest.mark.parametrize("shape", [(16, 16), (300, 200, 3)])
def test_an_image_has_as_many_pixels_as_it_declares(shape: tuple[int, ...]) -> None:
    assert not has_too_many_pixels(png_bytes(random_images(*shape)))


@pytest.mark.parametrize(("depth", "colour", "bits"), [(1, 0, 1), (8, 3, 8), (16, 6, 64)])
def test_depth_and_colour_decide_how_much_that_is(depth: int, colour: int, bits: int) -> None:
    side = 800
    whole = side * (side * bits // 8 + 1)
    assert not has_too_many_pixels(png(bytes(whole), side=side, depth=depth, colour=colour))
    # Twice of it, and a little, is let through.
    too_many = bytes(2 * whole + 70_000)
    assert has_too_many_pixels(png(too_many, side=side, depth=depth, colour=colour))


def test_pixels_without_end_are_found_without_unpacking_them_all() -> None:
    unpacked, begin = [], zlib.decompressobj

    class Watched:
        def __init__(self) -> None:
            self._unpacker = begin()

        def decompress(self, data: bytes, most: int) -> bytes:
            unpacked.append(self._unpacker.decompress(data, most))
            return unpacked[-1]

        @property
        def unconsumed_tail(self) -> bytes:
            return self._unpacker.unconsumed_tail

    data = png(bytes(50_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kextract.datasets.png_pixels.zlib.decompressobj", Watched)
        assert has_too_many_pixels(data)
    assert sum(map(len, unpacked)) < 100_000


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_what_is_damaged_is_left_to_the_decoder(share: float) -> None:
    whole = png_bytes(np.zeros((64, 64), np.uint8))
    assert not has_too_many_pixels(whole[: max(33, int(len(whole) * share))])
    assert not has_too_many_pixels(whole[:50] + b"\xff" * 9 + whole[59:])
