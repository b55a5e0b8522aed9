"""Procedural images to probe a network with: flat ones, squares, photographs and drawings.

Photographs have a power spectrum that falls with the square of the frequency (Field 1987,
"Relations between the statistics of natural images"), and correlated channels. Drawings have few
bright shapes on a dark ground, or dark ones on a bright ground.
"""

import numpy as np
import numpy.typing as npt

from kextract.seeds import Stream, random_generator

FloatImages = npt.NDArray[np.float32]

_CONTRAST = 0.25
"""Standard deviation of the pixels of photographs, white being 1."""
_INK = 0.2
"""Share of a drawing that is ink."""
_HUE = 0.35
"""How much channels differ, as a share of what they have in common."""
_FIELDS_AT_ONCE = 16
_PROBES = 64
_CELLS = (0, 1, 2, 4, 8, 16, 3, 1)
"""Sides of the squares of one colour in the probes, pixels; 0 is the whole image."""


def of_all_kinds(shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Return 36 uint8 images (n, h, w, c): flat ones, squares, photographs and drawings.

    They are always the same.
    """
    ends = np.stack([np.full(shape, end, np.uint8) for end in (0, 255)])
    drawn = np.concatenate([photographs(9, shape), drawings(9, shape)])
    return np.concatenate([ends, probe_images(shape)[:16], np.rint(255 * drawn).astype(np.uint8)])


def photographs(count: int, shape: tuple[int, int, int], seed: int = 0) -> FloatImages:
    """Return images (n, h, w, c) in [0, 1] with the brightness and contrast of photographs."""
    generator = random_generator(Stream.MADE_UP, seed, 0)
    fields = _fields(generator, count, shape)
    bright = generator.normal(0.0, 0.35, (count, 1, 1, 1))
    rich = np.exp(generator.normal(-0.1, 0.35, (count, 1, 1, 1)))
    return np.clip(0.47 + _CONTRAST * (rich * fields + bright), 0.0, 1.0).astype(np.float32)


def drawings(count: int, shape: tuple[int, int, int], seed: int = 0) -> FloatImages:
    """Return images (n, h, w, c) in [0, 1]: bright shapes with soft edges on black."""
    generator = random_generator(Stream.MADE_UP, seed, 1)
    fields = _fields(generator, count, shape)
    ends = np.quantile(fields, 1 - _INK, axis=(1, 2), keepdims=True)
    return np.clip(2.0 * (fields - ends), 0.0, 1.0).astype(np.float32)


def probe_images(input_shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Return uint8 images (n, h, w, c), always the same: flat ones, and squares of many sizes."""
    height, width, channels = input_shape
    generator = np.random.default_rng(0)
    probes = np.empty((_PROBES, *input_shape), np.uint8)
    for number, probe in enumerate(probes):
        cell = _CELLS[number % len(_CELLS)] or max(height, width)
        squares = generator.integers(
            0, 256, (-(-height // cell), -(-width // cell), channels), np.uint8
        )
        if number % 16 >= 8 and cell < max(height, width):
            # Few bright squares on black, as strokes are.
            squares = np.where(squares > 200, np.uint8(255), np.uint8(0))
        probe[...] = squares.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
    return probes


def _fields(
    generator: np.random.Generator, count: int, shape: tuple[int, int, int]
) -> npt.NDArray[np.float64]:
    """Return noise (n, h, w, c) of mean 0 and std 1 per image, with amplitudes of 1/f."""
    height, width, channels = shape
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    made = np.empty((count, height, width, channels))
    # A few at a time: spectra of many large images would take gigabytes.
    for start in range(0, count, _FIELDS_AT_ONCE):
        some = made[start : start + _FIELDS_AT_ONCE]
        noise = generator.normal(size=(len(some), height, width, channels + 1))
        spectrum = np.fft.rfft2(noise, axes=(1, 2)) / frequency[None, :, :, None]
        fields = np.fft.irfft2(spectrum, s=(height, width), axes=(1, 2))
        mixed = fields[..., :1] + (_HUE * fields[..., 1:] if channels > 1 else 0.0)
        mixed -= mixed.mean(axis=(1, 2, 3), keepdims=True)
        some[...] = mixed / mixed.std(axis=(1, 2, 3), keepdims=True)
    return made
