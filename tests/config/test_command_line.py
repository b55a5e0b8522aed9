"""What is stored with a checkpoint as its command asks for the same again, whatever the option."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from kextract.cli import command as commands
from kextract.config.option import Entry, names_of, table
from kextract.config.requests import REQUESTS
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer, resolve

ODD = "-a b'[1]$x.weights.h5"
"""A file's name with all that a shell or an option could take for something else."""
COMPANIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("distill", "mix_share"): {"mix": "random"},
    ("evaluate", "images"): {"against": Path("teacher.onnx")},
    ("evaluate", "min_agreement"): {"against": Path("teacher.onnx")},
}
"""What an option is refused without."""


def values_of(entry: Entry) -> Iterator[Any]:
    """Give values that the option takes, its default not among them."""
    known, names = entry.option, [*names_of(entry.option.choices)]
    numbers = (0, 3, 0.25, 1e-7, -3)
    accepts = known.bounds.accepts if known.bounds else lambda value: True
    possible: dict[type, list[Any]] = {
        bool: [True, False],
        Path: [Path(ODD), Path("a/{seed}.csv")],
        tuple: [(Path(ODD), Path("b.keras"))],
        str: names[:2] or [ODD, "-1,1", "--flag"],
        int: [each for each in numbers if isinstance(each, int) and accepts(each)],
        float: [float(each) for each in numbers if accepts(each)],
    }
    yield from (value for value in possible[entry.kind] if value != entry.default)


Parse = Callable[[list[str]], Invocation[Any]]


def parser(name: str, monkeypatch: pytest.MonkeyPatch) -> Parse:
    """Return what parses words as the program does, but for what options have to do together."""
    found: list[Invocation[Any]] = []
    monkeypatch.delenv("KEXTRACT_DATA", raising=False)
    monkeypatch.setattr("kextract.runs.invoke.invoke", lambda name, *all: resolve(name, all))

    def run(invocation: Invocation[Any]) -> None:
        """Keep what was asked for."""
        found.append(invocation)

    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    commands.add_command(app, name, run, "")
    program = typer.main.get_command(app)

    def parse(words: list[str]) -> Invocation[Any]:
        program(words, standalone_mode=False)
        return found.pop()

    return parse


def asked(name: str) -> Iterator[tuple[str, Invocation[Any]]]:
    """Ask for every option of a command in turn, with what it takes to be asked for at all."""
    entries = table(REQUESTS[name])
    needed: dict[str, Any] = {
        each.name: (Path("x.h5"),) if each.kind is tuple else Path("x.h5")
        for each in entries.values()
        if each.option.argument
    }
    for entry in entries.values():
        for value in values_of(entry):
            given = needed | COMPANIONS.get((name, entry.name), {}) | {entry.name: value}
            yield (
                f"{entry.name}={value}",
                resolve(name, [Layer(COMMAND_LINE, given)]),
            )


@pytest.mark.parametrize("name", REQUESTS)
def test_a_stored_command_asks_for_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = parser(name, monkeypatch)
    for case, invocation in asked(name):
        program, *words = shlex.split(invocation.command_line())
        assert program == "kextract"
        if case == "resume=True":
            assert "--resume" not in words
        else:
            assert parse(words).request == invocation.request, case


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - {"inspect"}))
def test_what_a_dry_run_prints_asks_for_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parse, file = parser(name, monkeypatch), tmp_path / "config.toml"
    for case, invocation in asked(name):
        file.write_text(invocation.toml(), encoding="utf-8")
        assert parse([name, "--config", str(file)]).request == invocation.request, case
