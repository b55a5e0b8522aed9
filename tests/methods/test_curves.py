import numpy as np
import pytest

from kextract.methods.curves import CURVE_PARAMETERS, POINTS, SHARED, STROKES, draw_curves

CLOSED = len(SHARED)
POINTS_FROM = CLOSED + STROKES


def drawn(count: int = 200, side: int = 28) -> np.ndarray:
    parameters = np.random.default_rng(0).random((count, CURVE_PARAMETERS))
    return draw_curves(parameters, (side, side, 1))[..., 0].astype(float)


def level_line(*, end: float) -> np.ndarray:
    """One stroke across the middle of a light image, black, to `end` of its box.

    The box is 40 % of the image's height, and as wide times exp(-0.2).
    """
    parameters = np.full((1, CURVE_PARAMETERS), 0.5)
    names = list(SHARED)
    parameters[:, [names.index(name) for name in ("strokes", "height", "inverted")]] = 0.0
    parameters[:, names.index("ink")] = 1.0
    parameters[:, CLOSED:POINTS_FROM] = 1.0
    points = parameters[:, POINTS_FROM:].reshape(1, STROKES, POINTS, 2)
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
    open_one[:, POINTS_FROM:].reshape(1, STROKES, POINTS, 2)[:, :, 1:, 0] = 1.0
    closed = open_one.copy()
    closed[:, CLOSED] = 0.0
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


def test_what_a_ledger_asked_is_drawn_again_as_it_was() -> None:
    """Means of 4x4 pixels of an image of the first version: a ledger holds parameters alone."""
    parameters = np.random.default_rng(0).random((2, CURVE_PARAMETERS))[1:]
    found = draw_curves(parameters, (28, 28, 1)).reshape(7, 4, 7, 4).mean(axis=(1, 3))
    expected = [
        [255, 255, 209, 158, 255, 255, 255],
        [239, 67, 12, 16, 104, 193, 255],
        [231, 0, 6, 27, 193, 255, 255],
        [220, 54, 62, 81, 134, 110, 255],
        [198, 141, 254, 189, 102, 95, 255],
        [196, 58, 238, 255, 255, 255, 255],
        [240, 153, 255, 255, 255, 255, 255],
    ]
    np.testing.assert_allclose(found, expected, atol=0.6)
