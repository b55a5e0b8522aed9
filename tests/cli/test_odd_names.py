"""Names of files, data sets and classes are shown, never obeyed: escaped, and on one line."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import write_images
from tests.cli.program import Finished, kextract

CLEAR, TITLE, OVERRIDE, NEXT_LINE = "\x1b[2J", "\x1b]0;owned\x07", "\u202e", "\x85"
CLASSES = (f"[bold red]cat[/] {CLEAR}", f"two\nlines\r {TITLE}", f"{OVERRIDE}gnp {NEXT_LINE}\ud800")
ESCAPED = (
    r"[bold red]cat[/] \x1b[2J",
    r"two\nlines\r \x1b]0;owned\x07",
    r"\u202egnp \x85\ud800",
)
TEACHER = f"[red]teacher[b]\n{CLEAR}{TITLE}{OVERRIDE}.weights.h5"
DATASET = f"[b]shades\n{CLEAR}.npz"
OBEYED = [text.encode() for text in (CLEAR, TITLE, "\x07", OVERRIDE, NEXT_LINE, "teacher[b]\n")]
SHORT = ("--epochs", "1", "--batch-size", "30", "--precision", "float32")


def obeyed(*streams: str | bytes) -> list[bytes]:
    """List what a terminal would have obeyed."""
    written = b"".join(s.encode() if isinstance(s, str) else s for s in streams)
    return [code for code in OBEYED if code in written]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A folder with a teacher whose names are all odd, and what its training printed."""
    folder = tmp_path_factory.mktemp("odd")
    with np.load(write_images(folder / "plain.npz")) as images:
        np.savez(folder / DATASET, **images, class_names=np.array(CLASSES))
    words = ("train-teacher", "--dataset", DATASET, "--model", "lenet5", "-o", TEACHER)
    done = kextract(*words, *SHORT, cwd=folder)
    assert done.code == 0, done.stderr
    return folder, done


@pytest.fixture
def folder(made: tuple[Path, Finished]) -> Path:
    return made[0]


def test_training_shows_the_names_escaped(made: tuple[Path, Finished]) -> None:
    done = made[1]
    assert not obeyed(done.stdout, done.stderr)
    assert r"teacher lenet5 on [b]shades\n\x1b[2J" in done.stderr
    assert r"checkpoint     [red]teacher[b]\n\x1b[2J" in done.stdout


def test_inspecting_shows_them_escaped(folder: Path) -> None:
    shown = kextract("inspect", TEACHER, cwd=folder).stdout
    assert not obeyed(shown)
    assert r"[red]teacher[b]\n\x1b[2J" in shown
    assert ", ".join(ESCAPED) in shown


def test_every_format_of_a_comparison_keeps_a_run_on_one_line(folder: Path) -> None:
    name = r"[red]teacher[b]\n\x1b[2J\x1b]0;owned\x07\u202e"
    words = ("compare", TEACHER, "--format")
    markdown, text, table = (
        kextract(*words, format, cwd=folder).stdout for format in ("markdown", "csv", "table")
    )
    objects = kextract(*words, "json", cwd=folder).stdout
    assert not obeyed(markdown, text, table, objects)
    assert name in table
    assert [row["model"] for row in csv.DictReader(io.StringIO(text))] == [name]
    assert [len(part.strip().splitlines()) for part in (markdown, text, objects)] == [3, 2, 1]
    assert json.loads(objects)[0]["model"] == TEACHER.removesuffix(".weights.h5")


@pytest.mark.parametrize("command", ["distill", "inspect", "evaluate", "compare"])
def test_a_refusal_names_a_file_without_obeying_it(command: str, tmp_path: Path) -> None:
    refused = kextract(command, f"no{CLEAR}\nsuch{OVERRIDE}.weights.h5", cwd=tmp_path)
    assert not obeyed(refused.stderr)
    assert r"'no\x1b[2J\nsuch\u202e.weights.h5': no " in refused.refusal()
