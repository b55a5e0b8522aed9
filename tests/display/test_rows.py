from kextract.display.rows import fitting, folded

PARTS = ("synthesis_seconds", "student_seconds", "evaluation_seconds")


def test_a_column_too_wide_is_passed_over_for_one_that_fits() -> None:
    names = ("epoch", "train_loss", "requested")
    assert fitting(names, 5 + 2 + 9 + 3) == ("epoch", "requested")


def test_the_parts_of_the_time_are_shown_together_or_not_at_all() -> None:
    names = ("epoch", *PARTS, "seconds")
    whole = 5 + 11 + 9 + 8 + 8 + 3
    assert fitting(names, whole) == names
    assert fitting(names, whole - 1) == ("epoch", "seconds")


def test_lines_are_folded_between_their_parts() -> None:
    assert folded(("a 1", "bb 22", "c 3"), 10) == ["a 1  bb 22", "c 3"]
    assert folded(("longer than that", "a 1"), 10) == ["longer than that", "a 1"]
