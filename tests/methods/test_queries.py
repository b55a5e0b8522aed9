import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kextract.config import DistillConfig, QueryConfig
from kextract.datasets.images import unscale
from kextract.errors import CheckpointError
from kextract.methods.base import MethodContext
from kextract.methods.committee import target_logits
from kextract.methods.queries import Queries
from kextract.methods.registry import round_ends
from kextract.records import Note, Progress
from kextract.teachers.asking import BudgetedTeacher, RetryPolicy, heading_of
from kextract.teachers.ledger import Ledger, open_ledger
from tests.teachers.examples import Brightness
from tests.training.examples import CLASSES, SHAPE, tiny_network

RULES = QueryConfig(
    query_budget=24,
    query_batch=5,
    first_share=0.25,
    query_rounds=2,
    query_choice=1,
    scout_updates=2,
)
CONFIG = DistillConfig(
    method="queries", batch_size=6, precision="float32", distance="kl", flip=False, queries=RULES
)


class Corners(Brightness):
    input_shape = SHAPE
    classes = CLASSES


class Stopped(BaseException):
    """A run that ends in the middle."""


def source(
    folder: Path,
    teacher: Brightness | None = None,
    config: DistillConfig = CONFIG,
    images: NDArray[np.uint8] | None = None,
) -> tuple[Queries, Ledger]:
    teacher = teacher or Corners()
    budget = config.queries.query_budget
    ledger = open_ledger(folder / "x.ledger.db", heading_of(teacher), budget)
    rules = RetryPolicy(budget, config.queries.query_batch)
    asking = BudgetedTeacher(teacher, ledger, rules, sleep=lambda seconds: None)
    given = {} if images is None else {"queries": images}
    context = MethodContext(None, None, tiny_network(2), config, given, asking)
    return Queries(context), ledger


def asked(
    folder: Path,
    teacher: Brightness | None = None,
    images: NDArray[np.uint8] | None = None,
    **changes: Any,
) -> Any:
    """All questions of a run that comes to its first update, as bytes."""
    made, ledger = source(folder, teacher, replace(CONFIG, **changes), images)
    with ledger:
        list(made.refresh(1, 0))
        return [question.tobytes() for question in all_of(ledger)]


def all_of(ledger: Ledger) -> NDArray[np.uint8]:
    """The images of all questions."""
    return ledger.questions[np.arange(ledger.counts.asked)]


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """The folder of a run that nothing stops, and its questions."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, asked(folder)


@pytest.fixture
def whole(unstopped: tuple[Path, list[bytes]]) -> list[bytes]:
    """The questions of that run."""
    return unstopped[1]


@pytest.fixture
def full(unstopped: tuple[Path, list[bytes]], tmp_path: Path) -> Path:
    """A folder with a copy of that run's ledger."""
    shutil.copy(unstopped[0] / "x.ledger.db", tmp_path)
    return tmp_path


def test_the_whole_budget_is_asked_before_the_first_update_with_progress_and_nothing_after(
    tmp_path: Path,
) -> None:
    teacher = Corners()
    made, ledger = source(tmp_path, teacher)
    with ledger:
        events = [event for event in made.refresh(1, 0) if isinstance(event, Progress)]
        for step in (1, 2):
            list(made.refresh(1, step))
        assert teacher.received == 24
        assert made.metrics()["questions"] == 24
    asking = [event.done for event in events if event.phase == "asking the teacher"]
    assert asking == sorted(asking) and asking[-1] == 24
    assert {event.phase for event in events} >= {"choosing questions", "teaching committee"}


def test_a_run_that_was_stopped_asks_what_it_would_have_asked(
    tmp_path: Path, whole: list[bytes]
) -> None:
    """Less at the end by as many as were sent twice: they are part of the budget."""
    teacher = Corners(faults=[None] * 4 + [Stopped()])
    with pytest.raises(Stopped):
        asked(tmp_path, teacher)
    found = asked(tmp_path, teacher)
    again = teacher.received - len(set(teacher.seen))
    assert 0 < again <= 5
    assert found == whole[: 24 - again]
    assert len(set(whole)) == 24, "no question is asked twice"


def test_a_budget_of_nothing_learns_all_of_a_ledger_that_cannot_be_written(
    full: Path, whole: list[bytes]
) -> None:
    (full / "x.ledger.db").chmod(0o444)
    teacher = Corners()
    made, ledger = source(full, teacher, replace(CONFIG, queries=replace(RULES, query_budget=0)))
    with ledger:
        events = list(made.refresh(1, 0))
        assert int(made.state()["rows"]) == 24
    assert teacher.received == 0
    assert not any(isinstance(event, Note) for event in events)


def test_a_batch_is_of_questions_with_what_the_teacher_said_of_them(full: Path) -> None:
    made, ledger = source(full)
    with ledger:
        list(made.refresh(1, 0))
        batch = made.batch()
        known = {image.tobytes(): row for row, image in enumerate(all_of(ledger))}
        rows = [known[image.tobytes()] for image in unscale(batch.images.numpy())]
        expected = target_logits(ledger.responses, "probabilities", CLASSES)[rows]
        np.testing.assert_allclose(np.array(batch.logits), expected, rtol=1e-5)


def test_a_resumed_run_teaches_the_same_batches_without_asking(full: Path) -> None:
    made, ledger = source(full)
    with ledger:
        list(made.refresh(1, 0))
        state = made.state()
        list(made.refresh(2, 0))
        expected = made.batch()
    teacher = Corners()
    again, ledger = source(full, teacher)
    with ledger:
        again.restore(state)
        list(again.refresh(2, 0))
        found = again.batch()
    assert teacher.received == 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_ledger_with_fewer_answers_than_the_run_had_is_refused(tmp_path: Path) -> None:
    made, ledger = source(tmp_path)
    with ledger, pytest.raises(CheckpointError, match=r"the run had 24 responses, and .* has 0"):
        made.restore({"rows": np.array(24)})


@pytest.mark.parametrize(
    ("budget", "share", "rounds", "ends"),
    [
        (100, 0.1, 3, [10, 40, 70, 100]),
        (10, 0.25, 2, [2, 6, 10]),
        (1, 0.1, 2, [1, 1, 1]),
    ],
)
def test_rounds_share_the_budget(budget: int, share: float, rounds: int, ends: list[int]) -> None:
    assert round_ends(budget, share, rounds) == ends


def test_images_that_are_alike_are_asked_once_and_a_run_may_find_too_few(tmp_path: Path) -> None:
    """Of nine black pictures, every crop is black too, or brighter: few are new."""
    black = np.zeros((9, *SHAPE), np.uint8)
    teacher = Corners()
    made, ledger = source(tmp_path, teacher, images=black)
    with ledger:
        events = list(made.refresh(1, 0))
        assert made.batch().images.shape == (6, *SHAPE)
    assert len(set(teacher.seen)) == teacher.received
    notes = [event.text for event in events if isinstance(event, Note)]
    assert (teacher.received == 24) != any("nothing new was found" in note for note in notes)
