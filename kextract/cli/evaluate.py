"""`kextract evaluate`: how good checkpoints are, and how like their teacher."""

from pathlib import Path
from typing import Annotated

import typer

from kextract.cli import options
from kextract.cli.guard import guarded
from kextract.cli.output import check_choice
from kextract.errors import GateError
from kextract.models import MODELS
from kextract.models.input_range import parse_input_range
from kextract.runtime import PRECISIONS

SPLITS = ("test", "validation", "train")


@guarded
def evaluate(
    checkpoints: Annotated[
        list[Path], typer.Argument(help="Checkpoints or .keras files to measure.")
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", "-d", help="Name, .npz or folder. [default: the checkpoint's own]"
        ),
    ] = None,
    split: Annotated[str, typer.Option(help=f"Which images: {', '.join(SPLITS)}.")] = "test",
    against: Annotated[
        Path | None,
        typer.Option(help="A teacher to compare with: agreement and KL divergence."),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(help="Exit with 3 if any accuracy is below this, 0 to 1.", min=0, max=1),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help=f"Where a file does not say: {', '.join(MODELS)}."),
    ] = None,
    pooling: options.Pooling = None,
    input_range: options.InputRange = None,
    precision: options.Precision = "float32",
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    debug: options.Debug = False,
) -> None:
    """Measure checkpoints on labelled images.

    Shows loss, accuracy, accuracy per class, and with --against agreement with a teacher.
    """
    check_choice("--split", split, SPLITS)
    check_choice("--format", format, ("table", "json"))
    check_choice("--precision", precision, PRECISIONS)
    from kextract.cli.output import print_table
    from kextract.display.strict_json import dumps
    from kextract.reports import evaluation_classes, evaluation_dict, evaluation_summary
    from kextract.runs.evaluation import run_evaluation

    results = run_evaluation(
        checkpoints,
        against=against,
        split=split,
        model=model,
        pooling=pooling,
        dataset=dataset,
        precision=precision,
        threads=threads,
        data_dir=data_dir,
        input_range=parse_input_range(input_range) if input_range else None,
    )
    if format == "json":
        for result in results:
            print(dumps(evaluation_dict(result)))
    else:
        print_table(evaluation_summary(results))
        print_table(evaluation_classes(results))
    worst = min(results, key=lambda result: result.accuracy)
    if min_accuracy is not None and worst.accuracy < min_accuracy:
        raise GateError(
            f"'{worst.checkpoint}' has an accuracy of {worst.accuracy:.4f}, below the"
            f" {min_accuracy:g} of --min-accuracy"
        )
