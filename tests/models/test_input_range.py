import pytest

from kextract.errors import RequestError
from kextract.models.input_range import PIXELS, InputRange, parse_input_range


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("0,255", 0, 255), ("-1,1", -1, 1), ("0, 1", 0, 1), ("-2.5,1e3", -2.5, 1e3)],
)
def test_two_numbers_are_a_range(text: str, low: float, high: float) -> None:
    assert parse_input_range(text) == InputRange(low, high)


@pytest.mark.parametrize("text", ["", "1", "0,1,2", "a,b", "1,1", "1,0", "0,inf", "nan,1"])
def test_anything_else_is_refused_by_the_name_of_the_flag(text: str) -> None:
    with pytest.raises(RequestError, match=r"--input-range .*LOW,HIGH"):
        parse_input_range(text)


@pytest.mark.parametrize("wished", [PIXELS, InputRange(0, 255), InputRange(-3, 7)])
def test_black_and_white_become_the_ends_of_the_range(wished: InputRange) -> None:
    assert -1 * wished.scale + wished.offset == wished.low
    assert wished.scale + wished.offset == wished.high
