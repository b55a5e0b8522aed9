from kextract.display.rows import fitting


def test_a_column_too_wide_is_passed_over_for_a_later_one() -> None:
    assert fitting(("epoch", "train_loss", "seconds"), 5 + 2 + 6 + 3) == ("epoch", "seconds")
