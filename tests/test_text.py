import pytest

from kextract.text import (
    counted,
    decimals,
    decoded,
    duration,
    json_text,
    listed,
    one_line,
    printable,
    size_text,
    time_left,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (420, "0.42 KB"),
        (35_400, "35.4 KB"),
        (299_178, "299 KB"),
        (999_600, "1 MB"),
        (2_249_000, "2.25 MB"),
        (138_357_544, "138 MB"),
        (21e9, "21 GB"),
    ],
)
def test_bytes_have_the_unit_and_the_digits_that_one_reads(count: float, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (12.94, "12.9s"),
        (999.94, "999.9s"),
        (999.96, "16m40s"),
        (3599.4, "59m59s"),
        (3599.7, "1h00m"),
        (90_000, "25h00m"),
        (float("nan"), "-"),
    ],
)
def test_a_duration_takes_six_characters_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (192, "3m12s"), (3720, "1h02m")]
)
def test_a_time_left_has_no_tenths(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1178, "0.1178"), (1234.5678, "1234.568"), (123456789.0, "1.2e+08"), (-0.5, "-0.5000")],
)
def test_a_figure_too_large_for_its_column_loses_decimals(value: float, text: str) -> None:
    assert decimals(value, digits=4, width=8) == text


def test_one_thing_is_not_many() -> None:
    assert [counted(number, "epoch") for number in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
    assert counted(2, "class") == "2 classes"


def test_a_long_list_of_foreign_names_is_cut() -> None:
    assert listed(["a", "b\n"]) == r"a, b\n"
    assert listed(["a", "b", "c"], most=1) == "a and 2 more"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_decoded_as_editors_write_it(encoding: str) -> None:
    assert decoded("é\r\n".encode(encoding)) == "é\r\n"


def test_control_characters_are_shown_not_obeyed() -> None:
    assert one_line("a\x1b[2J\nb\x9b é") == r"a\x1b[2J\nb\x9b é"


def test_names_from_files_are_escaped_and_cut() -> None:
    assert printable(b"a\x1b\xff") == "a\\x1b\\xff"
    assert printable("x" * 1000) == "x" * 77 + "..."


def test_json_has_no_control_characters_whatever_is_in_it() -> None:
    written = json_text({"\x7f\x1b": "\x7f\n\u202e"})
    assert written.isprintable() and written.isascii()
