from pathlib import Path

import numpy as np
import pytest

from kextract.errors import RequestError
from kextract.models.input_range import (
    NAMED,
    PIXELS,
    Preprocessing,
    parse_input_range,
    recorded_range,
)

BLACK, WHITE = -np.ones((1, 3)), np.ones((1, 3))


@pytest.mark.parametrize("text", ["", "1,0", "0,0", "a,b", "0,inf", "0,1,2"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="--input-range"):
        parse_input_range(text)


@pytest.mark.parametrize("requested", [PIXELS, Preprocessing(0, 255), Preprocessing(-3, 7)])
def test_black_and_white_become_the_ends_of_the_range(requested: Preprocessing) -> None:
    np.testing.assert_allclose(requested.apply(BLACK), [[requested.low] * 3])
    np.testing.assert_allclose(requested.apply(WHITE), [[requested.high] * 3])


def test_imagenet_is_the_preprocessing_of_pytorchs_networks() -> None:
    known = parse_input_range("imagenet")
    np.testing.assert_allclose(known.apply(BLACK), [[-2.1179, -2.0357, -1.8044]], atol=1e-4)
    np.testing.assert_allclose(known.apply(WHITE), [[2.2489, 2.4286, 2.64]], atol=1e-4)


def test_caffe_takes_blue_first_and_less_the_mean() -> None:
    red = np.array([[1.0, -1.0, -1.0]])
    expected = [[-103.939, -116.779, 255 - 123.68]]
    np.testing.assert_allclose(NAMED["caffe"].apply(red), expected, atol=1e-9)


@pytest.mark.parametrize("taken", [*NAMED.values(), Preprocessing(-1 / 3, 7.1)])
def test_what_a_file_says_of_its_pixels_is_read_as_it_was_written(taken: Preprocessing) -> None:
    assert recorded_range(taken.recorded) == taken


@pytest.mark.parametrize(
    "text",
    [
        *("", "0..255", "[]", "[" * 100_000, '{"low": 0}', '{"low": 0, "high": NaN}'),
        *('{"low": 1, "high": 0}', '{"low": [0, 0], "high": [1, 1, 1]}', '{"low": [], "high": []}'),
        *('{"low": 0, "high": 1, "more": 2}', '{"low": 0, "high": 1, "reverse": "yes"}'),
    ],
)
def test_what_an_untrusted_file_says_wrongly_of_its_pixels_is_not_believed(text: str) -> None:
    assert recorded_range(text) is None


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "mine.toml").write_text(text)
    return str(tmp_path / "mine.toml")


def test_a_file_gives_mean_and_std_of_each_channel(tmp_path: Path) -> None:
    path = written(tmp_path, "mean = [0.5, 0.4, 0.3]\nstd = 0.2")
    found = parse_input_range(path)
    np.testing.assert_allclose(found.apply(BLACK), [[-2.5, -2.0, -1.5]])
    np.testing.assert_allclose(found.apply(WHITE), [[2.5, 3.0, 3.5]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mean = ", "is not TOML"),
        ("means = [1]", "'means' is unknown"),
        ("mean = ['a']", "mean must be a number"),
        ("mean = [1, 2, 3]\nstd = [1, 2]", "std must have one number, or one per"),
        ("std = 0", "std must be positive"),
        ("range = [1]", "range must be two numbers"),
        ("range = [1, 0]", "rise"),
        ('channels = "gbr"', "channels must be 'rgb' or 'bgr'"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        parse_input_range(written(tmp_path, text))
    assert says in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_channels_have_to_be_those_of_the_network() -> None:
    with pytest.raises(RequestError, match="images of 3 channels, but the network takes 1"):
        NAMED["imagenet"].check_fits((28, 28, 1))
    NAMED["0..1"].check_fits((28, 28, 1))
