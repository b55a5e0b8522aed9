"""What makes the program at home in a shell: completion and versions."""

from importlib.metadata import version

import pytest

from tests.cli.program import kextract


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
