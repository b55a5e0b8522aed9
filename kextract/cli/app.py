"""The commands of kextract, wired up; nothing here or above imports TensorFlow."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from kextract import __version__
from kextract.cli import (
    compare,
    distill,
    doctor,
    evaluate,
    export,
    inspect_checkpoint,
    list_names,
    predict,
    quickstart,
    report,
    synthesize,
    train_teacher,
)
from kextract.cli.command import Group, add_command
from kextract.stdout import usable_stdout

app = typer.Typer(
    name="kextract",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    # Help is as wide as the terminal.
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": sys.maxsize},
)


def _show_version(requested: bool) -> None:
    if requested:
        from kextract.runs.doctor import versions

        others = [f"{name} {found}" for name, found in versions().items() if name != "kextract"]
        print(f"kextract {__version__} ({', '.join(others)})")
        raise typer.Exit


@app.callback()
def _kextract(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the versions of kextract, TensorFlow and Keras.",
        ),
    ] = False,
) -> None:
    """Take the knowledge out of a trained image classifier, without its data."""


TEACH, USE, LOOK = "Teach", "Measure and use", "Look up"
add_command(app, "quickstart", quickstart.quickstart, quickstart.EXAMPLE, TEACH)
add_command(app, "train-teacher", train_teacher.train_teacher, train_teacher.EXAMPLE, TEACH)
add_command(app, "distill", distill.distill, distill.EXAMPLE, TEACH)
add_command(app, "synthesize", synthesize.synthesize, synthesize.EXAMPLE, TEACH)
add_command(app, "evaluate", evaluate.evaluate, evaluate.EXAMPLE, USE)
add_command(app, "export", export.export, export.EXAMPLE, USE)
add_command(app, "predict", predict.predict, predict.EXAMPLE, USE)
add_command(app, "compare", compare.compare, compare.EXAMPLE, LOOK)
add_command(app, "report", report.report, report.EXAMPLE, LOOK)
add_command(app, "inspect", inspect_checkpoint.inspect_checkpoint, inspect_checkpoint.EXAMPLE, LOOK)
add_command(app, "list", list_names.list_names, list_names.EXAMPLE, LOOK)
add_command(app, "doctor", doctor.doctor, doctor.EXAMPLE, LOOK)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program, by default with the arguments of the process; raises SystemExit."""
    # The name decides which variable a shell's completion is asked by.
    with usable_stdout():
        # A table is not lost to a name that the terminal's encoding lacks.
        sys.stdout.reconfigure(  # type: ignore[union-attr]
            line_buffering=True, errors="backslashreplace"
        )
        try:
            code = app(
                list(arguments) if arguments is not None else None,
                prog_name="kextract",
                standalone_mode=False,
            )
        except TyperException as error:
            _refuse(error)
        sys.exit(code or 0)


def _refuse(error: TyperException) -> NoReturn:
    """Say in one line what was typed wrong; the help stands for a command that was left out."""
    text, command = error.format_message(), getattr(error, "ctx", None)
    if "\n" not in text:
        where = command.command_path if command else "kextract"
        text = f"kextract: {text[0].lower()}{text[1:].rstrip('.')} (see {where} --help)"
    print(text, file=sys.stderr)
    sys.exit(error.exit_code)
