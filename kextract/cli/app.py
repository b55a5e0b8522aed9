"""The commands of kextract, wired up; nothing here or above imports TensorFlow."""

import sys
from typing import Annotated

import typer

from kextract import __version__
from kextract.cli.compare import compare
from kextract.cli.distill import distill
from kextract.cli.evaluate import evaluate
from kextract.cli.inspect_checkpoint import inspect_checkpoint
from kextract.cli.list_names import list_names
from kextract.cli.quickstart import quickstart
from kextract.cli.synthesize import synthesize
from kextract.cli.train_teacher import train_teacher

app = typer.Typer(
    name="kextract",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"auto_envvar_prefix": "KEXTRACT", "help_option_names": ["--help", "-h"]},
)


def _show_version(wished: bool) -> None:
    if wished:
        print(f"kextract {__version__}")
        raise typer.Exit


@app.callback()
def _kextract(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the knowledge out of a trained image classifier, without its data."""


app.command("quickstart")(quickstart)
app.command("train-teacher")(train_teacher)
app.command("distill")(distill)
app.command("synthesize")(synthesize)
app.command("evaluate")(evaluate)
app.command("compare")(compare)
app.command("inspect")(inspect_checkpoint)
app.command("list")(list_names)


def main() -> None:
    """Run the program with the arguments of the process."""
    # A table is not lost to a name that the terminal's encoding lacks.
    sys.stdout.reconfigure(  # type: ignore[union-attr]
        line_buffering=True, errors="backslashreplace"
    )
    app()
