import numpy as np
import pytest

from kextract.datasets.pixels import unscale
from kextract.transfer.crops import GENES, SMALLEST_AREA, Cutter, mutated

PLAIN = np.full((1, GENES), 0.5)
"""The middle of everything: no turn, no shear, no stretch."""


def genes(**changes: float) -> np.ndarray:
    row = PLAIN.copy()
    for name, value in changes.items():
        row[:, NAMES.index(name)] = value
    return row


NAMES = ("canvas", "y", "x", "size", "angle", "shear", "stretch", "mirror")


def ramp(side: int = 64) -> np.ndarray:
    """A canvas that gets brighter to the right, and only there."""
    row = np.linspace(-0.4, 0.4, side, dtype=np.float32)
    return unscale(np.broadcast_to(row[None, None, :, None], (1, side, side, 1)))


def test_crops_have_the_size_and_the_channels_that_were_asked_for() -> None:
    random = np.random.default_rng(0)
    canvases = random.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    crops = Cutter(canvases, 12, 20).cut(random.random((50, GENES)))
    assert crops.shape == (50, 12, 20, 3) and crops.dtype == np.uint8


def test_a_crop_of_the_whole_canvas_is_the_canvas_made_smaller() -> None:
    crop = Cutter(ramp(), 16, 16).cut(genes(size=0.9999)).astype(float)[0, ..., 0]
    expected = np.linspace(0, 1, 16)
    middle = crop[8]
    assert np.corrcoef(middle, expected)[0, 1] > 0.999
    assert crop.std(axis=0).max() < 1.5


def test_mirroring_turns_left_and_right() -> None:
    cutter = Cutter(ramp(), 16, 16)
    plain, mirrored = cutter.cut(genes(mirror=0.9)), cutter.cut(genes(mirror=0.1))
    np.testing.assert_array_equal(plain[:, :, ::-1], mirrored)


def test_the_smallest_crop_shows_the_smallest_area() -> None:
    """Of a ramp over the canvas, a crop spans what its share of the side does."""
    cutter = Cutter(ramp(128), 16, 16)
    spans = []
    for size in (0.0, 0.9999):
        middle = cutter.cut(genes(size=size))[0, 8, :, 0].astype(float)
        spans.append(middle[-1] - middle[0])
    assert spans[0] / spans[1] == pytest.approx(SMALLEST_AREA**0.5, abs=0.03)


def test_the_canvas_is_the_one_of_the_first_gene() -> None:
    canvases = np.stack([np.full((32, 32, 1), value, np.uint8) for value in (64, 128, 191)])
    cutter = Cutter(canvases, 8, 8)
    means = [cutter.cut(genes(canvas=value)).mean() for value in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(means, [64, 128, 191], atol=1.5)


def test_places_beyond_the_border_are_reflected() -> None:
    """Half of a crop at the left border lies beyond it, so it gets darker, then brighter again."""
    crop = Cutter(ramp(), 16, 16).cut(genes(size=0.9999, x=0.0))[0, 8, :, 0].astype(int)
    assert np.all(np.diff(crop[:8]) < 0) and np.all(np.diff(crop[8:]) > 0)


def test_large_crops_of_fine_noise_are_averaged_not_picked() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 1), dtype=np.uint8)
    cutter = Cutter(noise, 8, 8)
    large, small = (cutter.cut(genes(size=size)).astype(float).std() for size in (0.9999, 0.1))
    assert large < small / 3


def test_crops_do_not_depend_on_those_cut_with_them() -> None:
    random = np.random.default_rng(0)
    cutter = Cutter(random.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8), 8, 8)
    rows = random.random((20, GENES))
    np.testing.assert_array_equal(cutter.cut(rows)[7:9], cutter.cut(rows[7:9]))


def test_mutated_genes_stay_near_within_0_and_1_and_on_their_canvas() -> None:
    random = np.random.default_rng(0)
    rows = random.random((500, GENES))
    changed = mutated(random, rows, 0.05)
    assert changed.min() >= 0 and changed.max() < 1
    np.testing.assert_array_equal(changed[:, 0], rows[:, 0])
    moved = (changed - rows)[:, 1:]
    moved -= np.rint(moved)
    assert moved.std() == pytest.approx(0.05, rel=0.05)
