from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.errors import TeacherError
from kextract.teachers.asking import BudgetedTeacher, RetryPolicy, heading_of
from kextract.teachers.ledger import Counts, Ledger, open_ledger
from tests.teachers.examples import (
    SOURCE,
    Brightness,
    all_of,
    expected,
    images_of,
    pictures,
    recipes,
)

RULES = RetryPolicy(budget=40, at_once=4)


def ask(
    folder: Path,
    teacher: Brightness,
    images: Any,
    place: int = 0,
    rules: RetryPolicy = RULES,
    sleep: Callable[[float], object] = lambda seconds: None,
) -> Counts:
    """Ask in a run of its own; return what the ledger counts after it."""
    path = folder / "x.ledger.db"
    with open_ledger(path, heading_of(teacher), rules.budget) as ledger:
        ledger.begin(SOURCE, images_of)
        asking = BudgetedTeacher(teacher, ledger, rules, sleep=lambda seconds: void(sleep(seconds)))
        exhaust(asking.ask(recipes(images), place))
        return ledger.counts


def void(value: object) -> None:
    del value


def exhaust(steps: Iterable[int]) -> None:
    for _ in steps:
        pass


def kept(folder: Path) -> Any:
    with Ledger(folder / "x.ledger.db", read_only=True) as ledger:
        return all_of(ledger), ledger.responses.copy()


def test_every_image_is_asked_once_and_its_answer_kept(tmp_path: Path) -> None:
    teacher = Brightness()
    assert ask(tmp_path, teacher, pictures(10)) == Counts(sent=10, asked=10, answered=10)
    questions, responses = kept(tmp_path)
    np.testing.assert_array_equal(questions, pictures(10))
    np.testing.assert_allclose(responses, expected(pictures(10)), rtol=1e-6)
    assert teacher.received == 10


def test_the_budget_ends_the_asking_to_the_image(tmp_path: Path) -> None:
    teacher = Brightness()
    counts = ask(tmp_path, teacher, pictures(20), rules=RetryPolicy(budget=10, at_once=4))
    assert counts == Counts(sent=10, asked=10, answered=10)
    assert teacher.received == 10


def test_what_is_sent_again_never_exceeds_the_budget(tmp_path: Path) -> None:
    teacher = Brightness(faults=[OSError("no route")] * 3)
    with pytest.raises(TeacherError):
        ask(tmp_path, teacher, pictures(8), rules=RetryPolicy(budget=10, at_once=4))
    assert teacher.received == 8


@pytest.mark.parametrize(
    "fault", [np.full((4, 3), np.nan), OSError("busy"), TimeoutError(), ValueError(), KeyError("x")]
)
def test_what_may_pass_is_asked_again_and_never_kept(tmp_path: Path, fault: Any) -> None:
    teacher = Brightness(faults=[fault])
    counts = ask(tmp_path, teacher, pictures(4))
    assert counts == Counts(sent=8, asked=4, answered=4)
    np.testing.assert_allclose(kept(tmp_path)[1], expected(pictures(4)), rtol=1e-6)


@pytest.mark.parametrize(
    "answer",
    [np.full((4, 3), 0.5), np.zeros((3, 3)), "sorry", [1, 0, 2, 1], [{"cat": 0.5}] * 4, [None] * 4],
)
def test_an_answer_of_the_wrong_kind_is_not_asked_for_again(tmp_path: Path, answer: Any) -> None:
    teacher = Brightness(faults=[None, answer])
    with pytest.raises(
        TeacherError, match=r"and is not asked again: InvalidOutputError: .*; 4 responses"
    ):
        ask(tmp_path, teacher, pictures(8))
    assert teacher.received == 8
    assert ask(tmp_path, Brightness(), pictures(8)) == Counts(sent=12, asked=8, answered=8)


def test_a_teacher_that_keeps_failing_is_given_up_in_one_line_and_the_ledger_is_whole(
    tmp_path: Path,
) -> None:
    teacher = Brightness(faults=[None, *[OSError("no\nroute")] * 5])
    with pytest.raises(TeacherError) as failure:
        ask(tmp_path, teacher, pictures(8))
    assert str(failure.value) == (
        "'brightness' did not answer a batch of questions, the last time: OSError: no route;"
        f" 4 responses to 24 sent images are kept in '{tmp_path / 'x.ledger.db'}'"
    )
    assert ask(tmp_path, Brightness(), pictures(8)) == Counts(sent=28, asked=8, answered=8)


def test_waits_double_up_to_the_longest(tmp_path: Path) -> None:
    waits: list[float] = []
    rules = RetryPolicy(budget=40, at_once=4, attempts=5, wait=1.0, longest_wait=3.0)
    teacher = Brightness(faults=[OSError("busy")] * 4)
    ask(tmp_path, teacher, pictures(4), rules=rules, sleep=waits.append)
    assert waits == [1.0, 2.0, 3.0, 3.0]
