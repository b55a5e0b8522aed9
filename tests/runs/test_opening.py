"""What is said of a network whose file leaves something open."""

from pathlib import Path

import pytest

from kextract.config.shared import ExternalModelOptions
from kextract.errors import RequestError
from kextract.models.heads import Head
from kextract.models.input_range import NAMED, RangeGuess
from kextract.runs.doubts import about_outputs, about_pixels, doubt_about_pixels
from kextract.runs.opening import (
    Teacher,
    check_options_are_used,
    info_without_architecture,
)

PATH = Path("my nets/x.keras")
CLOSE = RangeGuess(NAMED["-1..1"], "its statistics fit -1..1 best", False, NAMED["0..1"])


def test_close_ranges_are_said_with_the_two_commands_that_settle_it() -> None:
    (doubt,) = doubt_about_pixels(PATH, None, CLOSE)
    for end in ("=-1,1", " 0,1"):
        assert f"kextract evaluate 'my nets/x.keras' -d DATA --input-range{end}" in doubt
    assert about_pixels(PATH, None, CLOSE) == ()


def test_a_range_that_was_requested_is_not_doubted() -> None:
    assert doubt_about_pixels(PATH, NAMED["0..1"], CLOSE) == ()


def test_labels_that_are_each_on_their_own_are_said_and_how_to_take_them_for_classes() -> None:
    (note,) = about_outputs(PATH, Head("sigmoids", "it ends in a sigmoid", numbers=14))
    assert "14 labels" in note and "--outputs probabilities" in note
    assert about_outputs(PATH, Head("sigmoids", "it ends in a sigmoid")) == ()


def test_outputs_that_are_not_sure_are_said() -> None:
    (note,) = about_outputs(PATH, Head("sigmoids", "they do not sum to 1", False))
    assert "sigmoids" in note and "--outputs" in note
    assert about_outputs(PATH, Head("logits")) == ()


@pytest.mark.parametrize(
    ("external", "flag"),
    [
        (ExternalModelOptions(outputs="logits"), "--outputs"),
        (ExternalModelOptions(output_name="age"), "--output-name"),
    ],
)
def test_a_checkpoint_is_not_told_what_it_gives(external: ExternalModelOptions, flag: str) -> None:
    opened = Teacher(PATH, info_without_architecture((16, 16, 1), 3))
    with pytest.raises(RequestError, match=flag):
        check_options_are_used(external, opened)
