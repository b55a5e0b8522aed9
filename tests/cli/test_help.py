"""What `--help` and `--help-all` say, and where."""

import re

import pytest
from typer.testing import CliRunner

from kextract.cli.app import app
from tests.cli.program import kextract
from tests.test_docs import COMMANDS

SCREEN = 50
"""Lines of a terminal that is not even large."""


def help_of(*words: str, columns: int = 80) -> str:
    done = kextract(*words, COLUMNS=str(columns))
    assert done.code == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_on_one_screen(command: tuple[str, ...]) -> None:
    lines = help_of(*command, "--help").splitlines()
    assert len(lines) <= SCREEN
    # An example is one line, to be copied.
    assert all(len(line) <= 80 for line in lines if not line.startswith("  kextract "))


def test_help_of_distill_has_what_a_first_run_needs() -> None:
    shown = help_of("distill", "--help")
    for flag in ("--student", "--method", "--epochs", "--images", "--output", "--help-all"):
        assert re.search(rf"^  .*{flag}\b", shown, re.M), flag
    assert "--noise-tolerance" not in shown


def test_help_all_lists_options_under_the_headings_of_their_panels() -> None:
    shown = help_of("distill", "--help-all")
    noise, inversion = shown.index("\nAdversarial noise:\n"), shown.index("\nInversion:\n")
    assert noise < shown.index("--noise-tolerance") < inversion < shown.index("--class-weight")


@pytest.mark.parametrize("columns", [60, 140])
def test_help_is_as_wide_as_the_terminal(columns: int) -> None:
    shown, _ = help_of("distill", "--help-all", columns=columns).split("\nExample:")
    assert columns - 20 < max(len(line) for line in shown.splitlines()) <= columns


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_help_is_coloured_on_a_terminal_that_may_be(no_color: str, coloured: bool) -> None:
    program = CliRunner(env={"NO_COLOR": no_color})
    shown = program.invoke(app, ["distill", "--help"], color=True).stdout
    assert ("\x1b[" in shown) == coloured


def test_the_program_s_help_says_what_commands_are_for_in_whole_sentences() -> None:
    shown = help_of("--help")
    assert "..." not in shown.removeprefix("Usage: kextract [OPTIONS] COMMAND [ARGS]...")
    assert re.search(r"^Do it:\n  quickstart .*\n", shown, re.M)
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z-]+) ", shown, re.M))


def test_what_help_leaves_out_is_an_option_all_the_same() -> None:
    shown = help_of("distill", "teacher.weights.h5", "--method", "inversion", "--dry-run")
    assert "bank-size = 16384" in shown
    assert "bank-size = 5  # command line" in help_of(
        *("distill", "teacher.weights.h5", "--method", "inversion", "--bank-size", "5"),
        "--dry-run",
    )
