"""Makes commands of the tables of options: parameters and help out, requests in."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from kextract.cli.guard import guarded
from kextract.config.files import read_document, settings_of
from kextract.config.option import Entry, as_path, convert, flag, names_of, table
from kextract.config.requests import REQUESTS
from kextract.config.resolve import COMMAND_LINE, Invocation, Layer, environment_layer, variable_of
from kextract.config.shared import PLACES
from kextract.methods import METHODS

ARGUMENTS = "Arguments"
BY_METHOD = "by method"
"""Said of an option whose default is another one for some methods: see docs/commands.md."""
_SHOW_ALL = "kextract.show-all"
_COMPLETED = {"method": METHODS, "mix": METHODS}
"""Names that a shell completes to and that --help leaves to `kextract list`."""
_METAVARS: dict[type, str] = {
    int: "INT",
    float: "FLOAT",
    str: "TEXT",
    Path: "PATH",
    tuple: "PATH...",
}


class Command(TyperCommand):
    """A command whose `--help` shows what matters, on one screen, and `--help-all` the rest."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and basic options, or all of them under the headings of their panels."""
        entries, everything = table(REQUESTS[ctx.info_name]), _SHOW_ALL in ctx.meta
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record, entry = parameter.get_help_record(ctx), entries.get(parameter.name)
            basic = entry.option.basic if entry else parameter.name != "debug"
            if record is None or not (everything or basic):
                continue
            words, text = record
            if entry and entry.option.argument:
                words = str(parameter.metavar)
            elif entry and entry.default is False and not everything:
                words = words.split(" / ")[0]
            panel = entry.option.panel if entry else PLACES
            if not everything and panel != ARGUMENTS:
                panel = "Options"
            if entry:
                text = _help_text(entry, ctx.info_name, names=everything)
            panels.setdefault(panel, []).append((styled(words, fg="cyan"), text))
        for title, records in panels.items():
            write_records(formatter, title, records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example as it is typed, and how options are set otherwise."""
        with formatter.section(styled("Example", bold=True)):
            # It is to be copied, so it is one line.
            formatter.write(f"  {self.epilog}\n")
        if _SHOW_ALL not in ctx.meta:
            return
        variable = variable_of(ctx.info_name, "some_name")
        formatter.write_paragraph()
        formatter.write_text(
            f"Options can also be set by the environment, --some-name by {variable}, and by a file"
            " (--config). The command line beats the environment, which beats the file, which"
            " beats the preset, which beats the method; --dry-run prints what comes of it."
        )


class Group(TyperGroup):
    """The program, whose `--help` lists commands by what they are for, with whole sentences."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command's name."""
        for parameter in self.get_params(ctx):
            if parameter.default is None:
                # Typer imports pydantic to look at None, which doubles the time of --help.
                parameter.default = False
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group of commands."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            assert command is not None, "it was listed"
            summary = inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ")
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            groups.setdefault(panel, []).append((styled(name, fg="cyan"), summary))
        for title, records in groups.items():
            write_records(formatter, title, records)


def write_records(formatter: Any, title: str, records: Sequence[tuple[str, str]]) -> None:
    """Write a section of a help page: names, and what they are."""
    with formatter.section(styled(title, bold=True)):
        formatter.write_dl(records, col_max=24)


def styled(text: str, **style: Any) -> str:
    """Style what a terminal shows; where stdout is another thing, Typer takes the style away."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, **style)


def _help_text(entry: Entry, command: str, *, names: bool) -> str:
    """Say what an option does, with the `names` that it takes, and what it is by default."""
    known, text = entry.option, entry.option.help
    listed = names_of(known.choices or (known.suggestions if names else ()))
    if listed:
        text += f" {'One of' if known.choices else 'Such as'} {', '.join(listed)}."
    default = known.default_text or entry.default
    if command == "distill" and any(entry.name in spec.defaults for spec in METHODS.values()):
        default = BY_METHOD
    return text if default is None or default is False else f"{text}  [default: {default}]"


def _show_all(ctx: typer.Context, requested: bool) -> None:
    if requested:
        ctx.meta[_SHOW_ALL] = True
        typer.echo(ctx.get_help(), color=ctx.color)
        raise typer.Exit


def add_command(
    app: typer.Typer,
    name: str,
    run: Callable[[Invocation[Any]], None],
    example: str,
    group: str = "Commands",
) -> None:
    """Add a command that puts its request together and hands it to `run`."""
    cls = REQUESTS[name]
    entries = table(cls)

    def command(**given: Any) -> None:
        with _first_sign():
            from kextract.runs.invoke import invoke

            invocation = invoke(name, *_layers(name, entries, given))
        if given["dry_run"]:
            from kextract.runs.plan import dry_plan

            plan = dry_plan(invocation)
            print(invocation.toml(), end=f"# {plan}\n" if plan else "")
        else:
            run(invocation)

    command.__doc__ = run.__doc__
    parameters = {
        **{key: _parameter(entry) for key, entry in entries.items()},
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
    app.command(name, cls=Command, epilog=example, rich_help_panel=group)(guarded(command))


@contextmanager
def _first_sign() -> Iterator[None]:
    """Show a person at once that something happens, while libraries are imported and files read."""
    if not sys.stderr.isatty():
        yield
        return
    text = "starting ..."
    print(text, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(" " * len(text), end="\r", file=sys.stderr, flush=True)


_EVERYWHERE: dict[str, Any] = {
    "config": Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="TOML file of options, a table for each command."),
    ],
    "dry_run": Annotated[
        bool,
        typer.Option("--dry-run", help="Print all options as TOML, then a plan, and stop."),
    ],
    "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
    "help_all": Annotated[
        bool,
        typer.Option(
            "--help-all", help="Show all options and exit.", is_eager=True, callback=_show_all
        ),
    ],
}
_SWITCHES = ("dry_run", "debug", "help_all")


def _parameter(entry: Entry) -> Any:
    """Declare an option as a parameter of Typer; its value is converted and checked later."""
    known = entry.option
    kinds: dict[type, Any] = {bool: bool | None, tuple: list[Path] | None, Path: Path | None}
    kind = kinds.get(entry.kind, str | None)
    completed = [*(names_of(known.choices or known.suggestions) or _COMPLETED.get(entry.name, ()))]
    about: dict[str, Any] = {"help": known.help, "show_default": False}
    if known.argument:
        shape = f"{entry.flag}..." if entry.kind is tuple else entry.flag
        return Annotated[kind, typer.Argument(metavar=shape, **about)]
    words = [flag(entry.name)]
    metavar = known.metavar or _METAVARS.get(entry.kind)
    if entry.kind is bool:
        words, metavar = [f"{words[0]}/{entry.off}"], None
    if known.short:
        words.append(known.short)
    return Annotated[
        kind,
        typer.Option(
            *words,
            metavar=metavar,
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
