import numpy as np
import pytest

from kextract.transfer.dead_leaves import OPPONENT, canvas, spectrum_noise

SIDE = 96


@pytest.fixture(scope="module")
def canvases() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.stack([canvas(random, SIDE, 3) for _ in range(24)])


def test_canvases_are_images_in_the_pixel_range(canvases: np.ndarray) -> None:
    assert canvases.shape == (24, SIDE, SIDE, 3) and canvases.dtype == np.float32
    assert np.abs(canvases).max() <= 1.0


def test_brightness_differs_more_than_yellow_from_blue_and_that_more_than_red_from_green(
    canvases: np.ndarray,
) -> None:
    """What Ruderman et al. 1998 found in photographs."""
    brightness, yellow, red = (canvases @ OPPONENT.T).reshape(-1, 3).std(axis=0)
    assert brightness > 2 * yellow and yellow > 1.2 * red


def test_opponent_axes_are_orthonormal() -> None:
    np.testing.assert_allclose(OPPONENT @ OPPONENT.T, np.eye(3), atol=1e-6)


def test_power_falls_with_frequency_as_in_photographs(canvases: np.ndarray) -> None:
    """The amplitude of photographs falls with about 1 / f: power with an exponent near -2."""
    grey = canvases.mean(axis=-1)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(grey)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :])
    middle = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[middle]), np.log(power[middle]), 1)[0]
    assert -3.2 < slope < -1.3


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_spectrum_noise_has_the_spectrum_that_was_asked_for(exponent: float) -> None:
    random = np.random.default_rng(1)
    power = np.mean(
        [np.abs(np.fft.fft2(spectrum_noise(random, 64, exponent))) ** 2 for _ in range(200)], axis=0
    )
    # Along one axis the stretch is a factor, which leaves the slope in a logarithmic plot alone.
    line = np.arange(2, 20)
    slope = np.polyfit(np.log(line), np.log(power[0, line]), 1)[0]
    assert slope == pytest.approx(-2 * exponent, abs=0.3)


def test_spectrum_noise_has_mean_0_and_deviation_1() -> None:
    noise = spectrum_noise(np.random.default_rng(2), 50, 1.5)
    assert noise.mean() == pytest.approx(0, abs=1e-5) and noise.std() == pytest.approx(1, abs=1e-5)


def test_grey_canvases_are_of_as_many_channels_as_asked_for_all_alike() -> None:
    grey = canvas(np.random.default_rng(0), 48, 2)
    assert grey.shape == (48, 48, 2)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 1])
    assert grey.std() > 0.05


def test_the_random_numbers_decide_the_canvas() -> None:
    first, second, other = (canvas(np.random.default_rng(seed), 48, 3) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
