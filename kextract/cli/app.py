"""The commands of kextract, wired up; nothing here or above imports TensorFlow."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from kextract import __version__
from kextract.cli import commands, quickstart
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
        from kextract.cli.doctor import versions

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


COMMANDS: dict[str, dict[str, Any]] = {
    "Do it": {
        "quickstart --seed 1": quickstart.quickstart,
        "train-teacher --dataset mnist --epochs 8 --schedule cosine": commands.train_teacher,
        "distill checkpoints/mnist-resnet11.weights.h5 --method inversion": commands.distill,
        "synthesize checkpoints/mnist-resnet11.weights.h5 -o digits.png": commands.synthesize,
    },
    "Look at it": {
        "evaluate checkpoints/strokes-resnet11.weights.h5 --min-accuracy 95%": commands.evaluate,
        "predict checkpoints/mnist-resnet11.weights.h5 scans/ --format csv": commands.predict,
        "compare 'results/*.weights.h5' --group-by method,student --plot epochs.png": (
            commands.compare
        ),
        "report 'results/*.weights.h5' --output report.html": commands.report,
        "inspect checkpoints/mnist-resnet11.weights.h5": commands.inspect_checkpoint,
    },
    "Ship it": {
        "export checkpoints/mnist-resnet11.weights.h5 --int8 -o mnist.tflite": commands.export,
    },
    "About": {
        "list": commands.list_names,
        "doctor": commands.doctor,
    },
}
"""By an example, which begins with the command's name, under the heading in `--help`."""
for group, wired in COMMANDS.items():
    for example, run in wired.items():
        add_command(app, example.split()[0], run, f"kextract {example}", group)


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
