"""What a run will take is said before it begins, and what cannot fit is refused with what would."""

from collections import namedtuple
from pathlib import Path

import pytest

from kextract.config import DistillConfig
from kextract.errors import RequestError
from kextract.runs import plan
from kextract.runs.plan import Guess, Plan, check_disk, check_memory, check_minutes, time_text
from tests.cli.program import kextract

TEACHER = Path(__file__).parents[2] / "checkpoints" / "strokes-resnet11.weights.h5"
GB = 10**9


def test_a_plan_is_one_line() -> None:
    planned = Plan(10, 500, 64, seconds=754.0, memory=2_140_000_000, disk=3_900_000)
    assert str(planned) == (
        "plan: 10 epochs of 500 updates, 320,000 images, about 13 minutes, 2.1 GB of memory,"
        " 4 MB of disk for the ledger"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 second"), (90, "90 seconds"), (150, "2.5 minutes"), (7200, "2.0 hours")],
)
def test_times_are_as_exact_as_plans_are(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_a_gradient_costs_as_much_as_two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "speed", lambda: 1e9)
    config = DistillConfig(method="random", epochs=2, steps_per_epoch=10, batch_size=100)
    guess = Guess.of(config, (32, 32, 3), teacher=4_000_000, student=2_000_000)
    assert guess.before == 0
    assert guess.update == pytest.approx(1.0)
    assert guess.seconds(config) == pytest.approx(20.0)


def test_few_minutes_are_not_refused_for_leaves_that_they_need_not_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 224 pixels 83 leaves are enough for a trial, and 3,566 are usual."""
    monkeypatch.setattr(plan, "speed", lambda: 1e9)
    usual, fitted = (
        Guess.of(DistillConfig(method="leaves", minutes=minutes), (224, 224, 3), 10**8, 10**8)
        for minutes in (None, 3)
    )
    assert fitted.before < usual.before / 10


@pytest.mark.parametrize(("left", "said"), [(90.0, False), (110.0, False), (200.0, True)])
def test_what_the_first_epoch_tells_is_said_where_it_is_news(left: float, said: bool) -> None:
    assert bool(Plan(5, 9, 8, seconds=100.0).corrected(10.0, left)) == said


def test_minutes_that_are_too_few_by_far_are_refused_with_enough() -> None:
    with pytest.raises(RequestError, match=r"^--minutes 0.5: .* give it 4.0 or more"):
        check_minutes(0.5, spent=30.0, guess=Guess(before=150.0, update=10.0))
    check_minutes(0.5, spent=20.0, guess=Guess(before=20.0, update=0.1))


def test_a_batch_that_does_not_fit_the_memory_is_refused_with_one_that_does() -> None:
    with pytest.raises(RequestError, match=r"^--batch-size 64: .* 64000.0 GB of features, and .*"):
        check_memory(64, 64_000 * GB, 0)
    check_memory(64, 1, 0)


def test_a_ledger_that_does_not_fit_its_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", ("free",))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(5_000_000))
    with pytest.raises(RequestError, match=r"^--query-budget 1000: .* 10 MB, .* 5 MB .* 500 quest"):
        check_disk(tmp_path / "x.ledger.db", 1000, 10_000_000)


def test_a_dry_run_ends_with_the_plan(tmp_path: Path) -> None:
    done = kextract("distill", TEACHER, "--epochs", "3", "--dry-run", cwd=tmp_path)
    *_, last = done.stdout.splitlines()
    assert last.startswith("# plan: 3 epochs of 100 updates, 19,200 images, about ")


@pytest.mark.parametrize("words", [("train-teacher", "--dataset", "./mine"), ("list",)])
def test_what_cannot_be_planned_has_no_plan(words: tuple[str, ...], tmp_path: Path) -> None:
    done = kextract(*words, "--dry-run", cwd=tmp_path)
    assert done.code == 0
    assert "plan:" not in done.stdout
