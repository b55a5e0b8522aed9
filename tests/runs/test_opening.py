"""What is said of a network whose file leaves something open."""

from pathlib import Path

import pytest

from kextract.config.shared import ExternalModelOptions
from kextract.errors import RequestError
from kextract.models.heads import Head
from kextract.models.input_range import NAMED, RangeGuess
from kextract.runs.opening import Teacher, check_options_are_used, info_without_architecture

PATH = Path("my nets/x.keras")
CLOSE = RangeGuess(NAMED["-1..1"], "its statistics fit -1..1 best", False, NAMED["0..1"])


def test_close_ranges_are_said_with_the_two_commands_that_settle_it() -> None:
    (doubt,) = CLOSE.doubts(PATH, None)
    for end in ("=-1,1", " 0,1"):
        assert f"kextract evaluate 'my nets/x.keras' -d DATA --input-range{end}" in doubt
    assert CLOSE.notes(PATH, None) == ()


def test_a_range_that_was_requested_is_not_doubted() -> None:
    assert CLOSE.doubts(PATH, NAMED["0..1"]) == ()


def test_a_range_that_contradicts_what_the_network_says_is_noted() -> None:
    sure = RangeGuess(NAMED["0..255"], "it divides by 255", True)
    (note,) = sure.notes(PATH, NAMED["0..1"])
    assert "looks as if it takes 0..255: it divides by 255" in note


def test_labels_that_are_each_on_their_own_are_said_and_how_to_take_them_for_classes() -> None:
    (note,) = Head("sigmoids", "it ends in a sigmoid", numbers=14).notes(PATH)
    assert "14 labels" in note and "--outputs probabilities" in note
    assert Head("sigmoids", "it ends in a sigmoid").notes(PATH) == ()


def test_outputs_that_are_not_sure_are_said() -> None:
    (note,) = Head("sigmoids", "they do not sum to 1", False).notes(PATH)
    assert "sigmoids" in note and "--outputs" in note
    assert Head("logits").notes(PATH) == ()


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
