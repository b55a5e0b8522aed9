import statistics

import pytest

from kextract.reports import Run, by_fields, by_seed, find_metrics, single, summary
from kextract.reports.runs import seedless
from tests.reports.examples import info, student_info, study, teacher_info


def labels(groups: object) -> list[str]:
    return [group.label for group in groups]  # type: ignore[attr-defined]


def test_runs_that_differ_only_in_their_seed_are_one_group() -> None:
    groups = by_seed(study(seeds=3))
    assert labels(groups) == [
        "strokes-resnet11",
        "strokes-inversion",
        "strokes-shapes",
        "strokes-random",
    ]
    assert [len(group.runs) for group in groups] == [1, 3, 3, 3]


@pytest.mark.parametrize(
    "other",
    [
        {"model": "lenet5-half"},
        {"dataset": "mnist"},
        {"pooling": "global"},
        {"precision": "bfloat16"},
        {"teacher_sha256": "cd" * 32},
        {"config": {"method": "inversion", "recipe": "corrected", "epochs": 3}},
        {"config": {"method": "inversion", "recipe": "corrected", "inversion": {"warm_up": 3}}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_runs_that_differ_in_anything_else_are_apart(other: dict[str, object]) -> None:
    runs = [Run.of("a", info(seed=0)), Run.of("b", info(seed=1, **other))]
    assert len(by_seed(runs)) == 2


def test_what_came_of_runs_does_not_keep_them_apart_but_how_much_they_learned_from_does() -> None:
    runs = [
        Run.of(f"a-{seed}", info(seed=seed, config={"kept_epoch": kept, "ledger": ledger}))
        for seed, kept, ledger in (
            (0, 2, {"sha256": "a", "sent": 9, "answered": 8}),
            (1, 7, {"sha256": "b", "sent": 8, "answered": 8}),
            (2, 2, {"sha256": "a", "sent": 9, "answered": 5}),
        )
    ]
    assert labels(by_seed(runs)) == ["a", "a-2"]


def test_a_run_is_known_by_the_epoch_whose_weights_it_has() -> None:
    student = info(config={"method": "inversion", "kept_epoch": 2})
    kept = (Run.of("", each).kept for each in (student, info(), teacher_info()))
    assert [record and record.epoch for record in kept] == [2, 8, 8]


def test_students_of_teachers_that_differ_only_in_their_seed_are_one_group() -> None:
    teachers = [
        Run.of(f"t-{seed}", teacher_info(seed=seed, sha256=f"{seed}" * 64)) for seed in (0, 1)
    ]
    students = [
        Run.of(f"s-{seed}", student_info("random", seed, teacher_sha256=f"{seed}" * 64))
        for seed in (0, 1)
    ]
    assert labels(by_seed([*teachers, *students])) == ["t", "s"]
    # Whether the teachers differ in more than a seed is not known where they are not given.
    assert len(by_seed(students)) == 2


@pytest.mark.parametrize(
    ("name", "seed", "rest"),
    [
        ("a-0", 0, "a"),
        ("a-s1", 1, "a"),
        ("a_seed12", 12, "a"),
        ("a-seed-2", 2, "a"),
        ("wrn-16-1", 0, "wrn-16-1"),
        ("a-10", 0, "a-10"),
        ("0", 0, "0"),
        ("-0", 0, "-0"),
    ],
)
def test_the_seed_is_cut_off_a_name_and_nothing_else(name: str, seed: int, rest: str) -> None:
    assert seedless(name, seed) == rest


def test_facts_group_runs_and_have_columns_of_their_own() -> None:
    table = summary(by_fields(study(), ("method", "student")), [])
    assert table.columns == ("method", "student", "runs")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["teacher", "teacher", "1"],
        ["inversion", "lenet5", "3"],
        ["shapes", "lenet5", "3"],
        ["random", "lenet5", "3"],
    ]


def test_a_group_s_row_has_mean_and_sample_deviation() -> None:
    values = [0.98, 0.97, 0.96]
    runs = study()
    (_, row, *_) = summary(
        by_seed(runs), find_metrics(("test_accuracy",), runs), separate=True
    ).to_objects()
    assert row["runs"] == 3
    assert row["test_accuracy"] == pytest.approx(statistics.mean(values), abs=1e-12)
    assert row["test_accuracy_std"] == pytest.approx(statistics.stdev(values), abs=1e-12)


def test_metrics_of_epochs_details_tests_and_teachers_are_found_by_name() -> None:
    runs = study(seeds=1)
    names = (
        "mean_iterations",
        "last_agreement",
        "test_agreement",
        "teacher_share",
        "minutes",
        "parameters",
    )
    (_, row, *_) = summary(single(runs), find_metrics(names, runs)).to_objects()
    assert row["mean_iterations"] == 14.5
    assert row["last_agreement"] == runs[1].history[-1].agreement
    assert row["test_agreement"] == 0.98
    assert row["teacher_share"] == pytest.approx(0.98 / 0.99)
    assert row["minutes"] == 4.0
    assert row["parameters"] == 60_000
