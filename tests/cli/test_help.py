"""What `--help` and `--help-all` say, what a shell completes, and the version."""

import re
from importlib.metadata import version

import pytest

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


def test_the_program_s_help_says_what_commands_are_for_in_whole_sentences() -> None:
    shown = help_of("--help")
    assert "..." not in shown.removeprefix("Usage: kextract [OPTIONS] COMMAND [ARGS]...")
    assert re.search(r"^Do it:\n  quickstart .*\n", shown, re.M)
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z-]+) ", shown, re.M))


def test_the_version_names_what_it_runs_on() -> None:
    shown = kextract("--version").stdout
    assert shown == (
        f"kextract 0.1.0 (tensorflow {version('tensorflow')}, keras {version('keras')})\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_shown_for_every_shell(shell: str) -> None:
    shown = kextract(_KEXTRACT_COMPLETE=f"source_{shell}")
    assert shown.code == 0, shown.stderr
    assert "_KEXTRACT_COMPLETE" in shown.stdout


def completions(shell: str, line: str) -> str:
    """Ask as the script of a shell does when the tabulator key is pressed."""
    words = line.split(" ")
    given = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    environment = {**given[shell], "_KEXTRACT_COMPLETE": f"complete_{shell}"}
    return kextract(cwd=None, **environment).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_of_methods_are_completed(shell: str) -> None:
    found = completions(shell, "kextract distill a.h5 --method inv")
    assert "inversion" in found
    assert "random" not in found


def test_commands_are_completed() -> None:
    assert "report" in completions("bash", "kextract rep").splitlines()
