import numpy as np
import pytest

from kextract.methods.curves import CURVE_PARAMETERS, PEN, POINTS, STROKES, draw_curves


def drawn(count: int = 200, side: int = 28) -> np.ndarray:
    parameters = np.random.default_rng(0).random((count, CURVE_PARAMETERS))
    return draw_curves(parameters, (side, side, 1))[..., 0].astype(float)


def level_line(*, end: float) -> np.ndarray:
    """One stroke across the middle of a light image, black, to `end` of its box.

    The box is 40 % of the image's height, and as wide times exp(-0.2).
    """
    parameters = np.full((1, CURVE_PARAMETERS), 0.5)
    parameters[:, [0, 1, 9]] = 0.0
    parameters[:, 8] = 1.0
    parameters[:, PEN : PEN + STROKES] = 1.0
    points = parameters[:, PEN + STROKES :].reshape(1, STROKES, POINTS, 2)
    points[..., 1] = np.linspace(0, end, POINTS)
    return parameters


def test_images_are_of_the_size_asked_for_and_their_channels_are_alike() -> None:
    images = draw_curves(np.full((3, CURVE_PARAMETERS), 0.5), (20, 32, 3))
    assert images.shape == (3, 20, 32, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[..., 0], images[..., 2])
    assert draw_curves(np.zeros((0, CURVE_PARAMETERS)), (20, 32, 1)).shape == (0, 20, 32, 1)


def test_a_straight_stroke_is_as_long_and_thick_as_its_parameters_say() -> None:
    image = draw_curves(level_line(end=1.0), (28, 28, 1))[0, ..., 0]
    ink = 1 - image / 255
    # 28 x 0.4 x exp(-0.2) pixels long, and twice the radius of 1.2 pixels thick.
    assert ink[:, 14].sum() == pytest.approx(2.4, abs=0.15)
    assert ink[13].sum() == pytest.approx(28 * 0.4 * np.exp(-0.2), abs=1.0)
    assert ink[:10].max() == ink[18:].max() == 0.0


def test_a_stroke_that_is_closed_ends_where_it_began() -> None:
    """Its way back covers what leads there; one that is open stops at its last point."""
    open_one = level_line(end=1.0)
    open_one[:, PEN + STROKES :].reshape(1, STROKES, POINTS, 2)[:, :, 1:, 0] = 1.0
    closed = open_one.copy()
    closed[:, PEN] = 0.0
    one, other = (255 - draw_curves(each, (28, 28, 1)).astype(int) for each in (open_one, closed))
    assert other.sum() != one.sum()
    assert other[..., 15:, 18:, :].sum() < one[..., 15:, 18:, :].sum()


def test_most_images_are_plain_at_their_border_and_none_is_plain_everywhere() -> None:
    images = drawn()
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1
    )
    assert (np.ptp(border, axis=1) == 0).mean() > 0.6
    assert (np.ptp(images, axis=(1, 2)) > 20).mean() > 0.95


def test_half_are_dark_on_light() -> None:
    images = drawn()
    corner = images[:, 0, 0]
    assert (corner > 127).mean() == pytest.approx(0.5, abs=0.1)


def test_the_same_parameters_give_the_same_picture_at_every_size() -> None:
    large = drawn(side=84).reshape(200, 28, 3, 28, 3).mean(axis=(2, 4))
    difference = np.abs(drawn() - large).mean(axis=(1, 2))
    assert difference.mean() < 3 and np.corrcoef(drawn().ravel(), large.ravel())[0, 1] > 0.99
