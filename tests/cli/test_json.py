"""What commands write as JSON is what docs/schemas says."""

import json
from pathlib import Path

import pytest

from tests.cli.program import kextract
from tests.schema import check

SHORT = (
    *("--epochs", "1", "--steps-per-epoch", "1", "--batch-size", "4", "--precision", "float32"),
    *("--method", "random", "--format", "json"),
)


@pytest.fixture(scope="module")
def lines(workshop: Path) -> list[str]:
    """What a run writes; its checkpoint is json.weights.h5."""
    made = kextract(
        *("distill", "teacher.weights.h5", *SHORT, "--dataset", "shades.npz"),
        *("--output", "json.weights.h5"),
        cwd=workshop,
    )
    assert made.code == 0, made.stderr
    return made.stdout.splitlines()


def test_every_line_of_a_run_fits(lines: list[str]) -> None:
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["start", "epoch", "epoch", "end"]
    for event in events:
        check(event, "run")


@pytest.mark.usefixtures("lines")
def test_a_line_of_evaluate_fits(workshop: Path) -> None:
    done = kextract(
        *("evaluate", "json.weights.h5", "--against", "teacher.weights.h5", "--format", "json"),
        *("--dataset", "shades.npz"),
        cwd=workshop,
    )
    (line,) = done.stdout.splitlines()
    check(json.loads(line), "evaluation")


@pytest.mark.usefixtures("lines")
def test_what_inspect_writes_fits(workshop: Path) -> None:
    for name in ("teacher.weights.h5", "json.weights.h5"):
        done = kextract("inspect", name, "--format", "json", cwd=workshop)
        check(json.loads(done.stdout), "inspection")


def test_what_list_writes_fits() -> None:
    check(json.loads(kextract("list", "--format", "json").stdout), "names")
