"""Makes commands of the tables of options: parameters and help out, requests in."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from kextract.cli.guard import guarded
from kextract.config.environment import environment_layer, variable_of
from kextract.config.files import read_document, settings_of
from kextract.config.option import Entry, as_path, convert, flag, names_of, table
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer
from kextract.config.shared import PLACES
from kextract.methods import METHODS
from kextract.runs.requests import REQUESTS, invoke

_COMPLETED = {"method": METHODS, "mix": METHODS}
"""Names that a shell completes to and that --help leaves to `kextract list`."""
_METAVARS: dict[type, str] = {
    int: "INT",
    float: "FLOAT",
    str: "TEXT",
    Path: "PATH",
    tuple: "PATH...",
}


class PanelledCommand(TyperCommand):
    """A command whose `--help` lists options under the headings of their panels."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each panel, in the order of their first options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or PLACES
                panels.setdefault(panel, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example as it is typed, and how options are set otherwise."""
        with formatter.section("Example"):
            formatter.write_text(self.epilog or "")
        variable = variable_of(self.name or "", "name")
        formatter.write_paragraph()
        formatter.write_text(
            f"Options can also be set by the environment, --some-name by {variable.upper()[:-4]}"
            "SOME_NAME, and by a file (--config). The command line beats the environment, which"
            " beats the file, which beats the preset."
        )


def add_command(
    app: typer.Typer, name: str, run: Callable[[Invocation[Any]], None], example: str
) -> None:
    """Add a command that puts its request together and hands it to `run`."""
    cls = REQUESTS[name]
    entries = table(cls)

    def command(**given: Any) -> None:
        invocation = invoke(name, *_layers(name, entries, given))
        if given["dry_run"]:
            print(invocation.toml(), end="")
        else:
            run(invocation)

    command.__doc__ = run.__doc__
    parameters = {
        **{key: _parameter(entry, cls.default_text(entry)) for key, entry in entries.items()},
        **{key: about for key, about in _EVERYWHERE.items() if key not in entries},
    }
    command.__annotations__ = parameters
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=False if key in _SWITCHES else None,
            )
            for key, annotation in parameters.items()
        ]
    )
    app.command(name, cls=PanelledCommand, epilog=example)(guarded(command))


_EVERYWHERE: dict[str, Any] = {
    "config": Annotated[
        Path | None,
        typer.Option(
            help="Configuration file in TOML, with a table for each command.",
            rich_help_panel=PLACES,
        ),
    ],
    "dry_run": Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print all options as a configuration file, and do nothing else.",
            rich_help_panel=PLACES,
        ),
    ],
    "debug": Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show the traceback of an error.",
            rich_help_panel=PLACES,
        ),
    ],
}
_SWITCHES = ("dry_run", "debug")


def _parameter(entry: Entry, default: str) -> Any:
    """Declare an option as a parameter of Typer; its value is converted and checked later."""
    known = entry.option
    kinds: dict[type, Any] = {bool: bool | None, tuple: list[Path] | None, Path: Path | None}
    kind = kinds.get(entry.kind, str | None)
    names = [*names_of(known.choices or known.suggestions)]
    listed = f" {'One of' if known.choices else 'Such as'} {', '.join(names)}." if names else ""
    shown = f"  [default: {default}]" if default else ""
    metavar = known.metavar or _METAVARS.get(entry.kind)
    completed = names or [*_COMPLETED.get(entry.name, ())]
    about: dict[str, Any] = {"help": f"{known.help}{listed}{shown}", "show_default": False}
    if known.argument:
        shape = f"{entry.flag}..." if entry.kind is tuple else entry.flag
        return Annotated[
            kind,
            typer.Argument(metavar=shape, rich_help_panel=known.panel, **about),
        ]
    words = [flag(entry.name)]
    if entry.kind is bool:
        words = [f"{words[0]}/{entry.off}"]
    if known.short:
        words.append(known.short)
    return Annotated[
        kind,
        typer.Option(
            *words,
            metavar=None if entry.kind is bool else metavar,
            rich_help_panel=known.panel,
            autocompletion=_completion(completed) if completed else None,
            **about,
        ),
    ]


def _completion(names: Sequence[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def _layers(command: str, entries: Mapping[str, Entry], given: Mapping[str, Any]) -> list[Layer]:
    """Sort what was given by where it was given, weakest first, as values of the options' types."""
    layers = []
    path = (
        None
        if "config" in entries
        else given["config"] or os.environ.get(variable_of(command, "config"))
    )
    if path:
        path = as_path(path)
        document = read_document(path, "--config")
        label = f"--config {path}"
        values = settings_of(document, command, entries, label=label, commands=REQUESTS)
        layers.append(Layer(str(path), values, path))
    given = {
        name: convert(entry, given[name], f"{entry.flag} {given[name]}")
        for name, entry in entries.items()
        if given[name] not in (None, [])
    }
    return [*layers, environment_layer(command, entries), Layer(COMMAND_LINE, given)]
