import math

from kextract.records import EpochRecord
from kextract.reports import Run, Table, epochs, find_metrics, single, summary

# The figures of the article's tables (Vinell, 2020), with made-up ones between them.
TEACHER = Run("", "teacher", (EpochRecord(1, 1.25, 0.61), EpochRecord(2, 0.9750, 0.7352)))
RANDOM = Run(
    "",
    "student",
    (EpochRecord(0, 5.0351, 0.0992), EpochRecord(1, 2.7919, 0.09), EpochRecord(2, 2.8, 0.0978)),
    method="random",
)
ADVERSARIAL = Run(
    "",
    "student",
    (EpochRecord(0, 3.6181, 0.1034), EpochRecord(1, 2.6626, 0.1178)),
    method="adversarial",
)
RUNS = (TEACHER, RANDOM, ADVERSARIAL)


def article(*runs: Run) -> Table:
    """The columns of the article's tables."""
    return summary(single(runs), find_metrics(("article",), runs))


def test_the_article_s_columns_are_its_tables_with_the_last_epoch_added() -> None:
    assert article(*RUNS).to_markdown().splitlines() == [
        "| model | starting loss | starting accuracy | best loss | best accuracy | last loss"
        " | last accuracy |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| **teacher** | -- | -- | 0.9750 | 0.7352 | 0.9750 | 0.7352 |",
        "| **student (random)** | 5.0351 | 0.0992 | 2.7919 | 0.0978 | 2.8000 | 0.0978 |",
        "| **student (adversarial)** | 3.6181 | 0.1034 | 2.6626 | 0.1178 | 2.6626 | 0.1178 |",
    ]


def test_test_images_come_first_where_any_run_was_measured_on_them() -> None:
    test = {"accuracy": 0.731, "agreement": 0.8, "mistakes_repeated": 0.6}
    tested = Run("t", "student", RANDOM.history, test=test)
    assert summary(single([tested, TEACHER])).to_markdown().splitlines() == [
        "| model | test accuracy | test agreement | test mistakes repeated | best accuracy"
        " | last accuracy |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| **t** | 0.7310 | 0.8000 | 0.6000 | 0.0978 | 0.0978 |",
        "| **teacher** | -- | -- | -- | 0.7352 | 0.7352 |",
    ]
    assert summary(single(RUNS)).keys == ("model", "best_accuracy", "last_accuracy")


def test_figures_that_are_missing_or_not_finite_are_never_the_best() -> None:
    history = (EpochRecord(1, math.nan, None), EpochRecord(2, 2.0, 0.5), EpochRecord(3))
    (row,) = article(Run("x", "student", history)).to_objects()
    assert (row["best_loss"], row["best_accuracy"], row["last_loss"]) == (2.0, 0.5, None)
    assert article(Run("empty", "student", ())).to_objects()[0]["best_loss"] is None


def test_epochs_of_several_runs_stand_side_by_side() -> None:
    table = epochs(single(RUNS))
    assert table.columns[:4] == (
        "epoch",
        "teacher loss",
        "teacher accuracy",
        "student (random) loss",
    )
    assert [row[0].value for row in table.rows] == [0, 1, 2]
    assert [cell.text for cell in table.rows[0]][1:5] == ["--", "--", "5.0351", "0.0992"]
    assert [cell.value for cell in table.rows[2]][5:] == [None, None]
