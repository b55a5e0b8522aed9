from collections.abc import Callable

import numpy as np
import pytest

from kextract.datasets.images import unscale
from kextract.methods.canvases import (
    CROP_PARAMETERS,
    PAINTERS,
    SMALLEST_AREA,
    Cutter,
    canvas,
    perturb,
)
from kextract.methods.painters import distance_from_limb
from kextract.methods.paints import Floats, finished

SIDE = 96
NAMES = ("canvas", "y", "x", "size", "angle", "shear", "stretch", "mirror")
MIDDLE = np.full((1, CROP_PARAMETERS), 0.5)
"""Of everything: no turn, no shear, no stretch."""


@pytest.mark.parametrize("paint", PAINTERS["scenes"])
def test_power_falls_with_frequency_as_in_photographs(
    paint: Callable[[np.random.Generator, int], Floats],
) -> None:
    """The amplitude of photographs falls with about 1 / f: power with an exponent near -2."""
    random = np.random.default_rng(0)
    painted = np.stack([finished(random, paint(random, SIDE), 3) for _ in range(10)])
    assert painted.min() >= -1 and painted.max() <= 1
    grey = painted.mean(axis=-1)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(grey)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :])
    middle = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[middle]), np.log(power[middle]), 1)[0]
    assert -3.2 < slope < -1.3


def test_every_other_canvas_of_scenes_is_one_of_dead_leaves() -> None:
    def painted(kind: str, number: int) -> np.ndarray:
        return canvas(np.random.default_rng(number), kind, number, 1)

    for number in (0, 2):
        np.testing.assert_array_equal(painted("scenes", number), painted("leaves", number))
    assert (painted("scenes", 1) != painted("leaves", 1)).mean() > 0.9


def test_a_limb_is_as_wide_at_each_place_as_between_its_ends() -> None:
    """Of a limb from (0, 0) to (1, 0), 0.1 wide where it begins and 0.3 where it ends."""
    outline = np.array([[-0.1, 0.0], [0.0, 0.1], [0.5, 0.2], [0.5, -0.2], [1.0, 0.3], [1.3, 0.0]])
    distance = distance_from_limb(*outline.T, along=(1.0, 0.0), widths=(0.1, 0.3))
    np.testing.assert_allclose(distance, 1.0, atol=1e-6)


def parameters(**changes: float) -> np.ndarray:
    row = MIDDLE.copy()
    for name, value in changes.items():
        row[:, NAMES.index(name)] = value
    return row


def ramp(side: int = 64) -> np.ndarray:
    """A canvas that gets brighter to the right, and only there."""
    row = np.linspace(-0.4, 0.4, side, dtype=np.float32)
    return unscale(np.broadcast_to(row[None, None, :, None], (1, side, side, 1)))


def test_a_crop_of_the_whole_canvas_is_the_canvas_made_smaller() -> None:
    crop = Cutter(ramp(), 16, 16).cut(parameters(size=0.9999)).astype(float)[0, ..., 0]
    expected = np.linspace(0, 1, 16)
    middle = crop[8]
    assert np.corrcoef(middle, expected)[0, 1] > 0.999
    assert crop.std(axis=0).max() < 1.5


def test_the_smallest_crop_shows_the_smallest_area() -> None:
    """Of a ramp over the canvas, a crop spans what its share of the side does."""
    cutter = Cutter(ramp(128), 16, 16)
    spans = []
    for size in (0.0, 0.9999):
        middle = cutter.cut(parameters(size=size))[0, 8, :, 0].astype(float)
        spans.append(middle[-1] - middle[0])
    assert spans[0] / spans[1] == pytest.approx(SMALLEST_AREA**0.5, abs=0.03)


def test_the_canvas_is_the_one_of_the_first_parameter() -> None:
    canvases = np.stack([np.full((32, 32, 1), value, np.uint8) for value in (64, 128, 191)])
    cutter = Cutter(canvases, 8, 8)
    means = [cutter.cut(parameters(canvas=value)).mean() for value in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(means, [64, 128, 191], atol=1.5)


def test_crops_do_not_depend_on_those_cut_with_them() -> None:
    random = np.random.default_rng(0)
    cutter = Cutter(random.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8), 8, 8)
    rows = random.random((20, CROP_PARAMETERS))
    np.testing.assert_array_equal(cutter.cut(rows)[7:9], cutter.cut(rows[7:9]))


def test_perturbed_parameters_stay_near_within_0_and_1_and_on_their_canvas() -> None:
    random = np.random.default_rng(0)
    rows = random.random((500, CROP_PARAMETERS))
    changed = perturb(random, rows, 0.05)
    assert changed.min() >= 0 and changed.max() < 1
    np.testing.assert_array_equal(changed[:, 0], rows[:, 0])
    moved = (changed - rows)[:, 1:]
    moved -= np.rint(moved)
    assert moved.std() == pytest.approx(0.05, rel=0.05)
