import math
from dataclasses import replace

from kextract.reports import (
    EvaluationResult,
    evaluation_classes,
    evaluation_dict,
    evaluation_mistakes,
    evaluation_summary,
)
from kextract.training.evaluation import SharedMistakes

PLAIN = EvaluationResult("a.h5", "mnist", "test", 10_000, 0.125, 0.96875, 0.0625)
COMPARED = EvaluationResult(
    "b.h5",
    "mnist",
    "test",
    10_000,
    0.5,
    2 / 3,
    0.25,
    per_class=(("[zero]", 7, 6 / 7), ("never seen", 0, math.nan)),
    agreement=0.75,
    kl=0.125,
    against="a.h5",
)


def test_the_comparison_s_columns_come_only_where_something_was_compared() -> None:
    assert evaluation_summary([PLAIN]).columns == (
        "checkpoint",
        "dataset",
        "split",
        "images",
        "loss",
        "accuracy",
        "cross-entropy",
    )
    rows = evaluation_summary([PLAIN, COMPARED]).rows
    assert [cell.text for cell in rows[0]][-3:] == ["--", "--", "--"]
    assert [cell.text for cell in rows[1]][3:] == (
        ["10000", "0.5000", "0.6667", "0.2500", "0.7500", "0.1250", "a.h5"]
    )


def test_classes_have_a_row_each_and_an_empty_one_has_no_accuracy() -> None:
    table = evaluation_classes([COMPARED])
    assert table.columns == ("class", "images", "accuracy")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["[zero]", "7", "0.8571"],
        ["never seen", "0", "--"],
    ]


def test_shared_mistakes_are_shown_beside_agreement_where_the_teacher_is_unsure() -> None:
    mistakes = SharedMistakes(40, 0.5, 0.125, 0.25)
    compared = replace(COMPARED, agreement_unsure=0.625, agreement_sure=0.875, mistakes=mistakes)
    table = evaluation_mistakes([PLAIN, compared])
    assert table.columns[3:] == ("mistakes of against", "repeated", "by chance", "consistency")
    (row,) = table.rows
    texts = ["b.h5", "0.6250", "0.8750", "40", "0.5000", "0.1250", "0.2500"]
    assert [cell.text for cell in row] == texts
    assert evaluation_dict(compared)["mistakes"]["kappa"] == 0.25
