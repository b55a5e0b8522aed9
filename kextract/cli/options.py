"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kextract.models import POOLINGS
from kextract.runtime import PRECISIONS

DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="KEXTRACT_DATA",
        help="Folder with NAME.npz files, looked into before anything is downloaded.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write, ending in .weights.h5."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output file.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with an unfinished run of the same output.")
]
Format = Annotated[
    Literal["auto", "live", "plain", "json", "quiet"],
    typer.Option(help="How epochs are shown; auto is live on a terminal, else plain."),
]
Seed = Annotated[int, typer.Option(help="Repeats a run bit for bit on the same machine.")]
Precision = Annotated[
    str,
    typer.Option(
        help=f"Arithmetic: {', '.join(PRECISIONS)} (auto: bfloat16 where the hardware has it)."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Processor threads. One each is best for runs side by side."),
]
Pooling = Annotated[
    str | None,
    typer.Option(
        help=f"Before a ResNet's classifier: {', '.join(POOLINGS)}."
        " [default: article where its 8x8 averages fit, else none]"
    ),
]
InputRange = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="What black and white are to a network of another program, such as 0,1 or 0,255."
        " [default: -1,1]",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
