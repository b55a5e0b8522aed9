"""A run that trains nothing: `python -m tests.display.simulated FORMAT EPOCHS [hang] [drawn]`.

With `drawn` it has the columns and figures of a student of drawn images.
"""

import sys
import time
from functools import partial

from kextract.display import RunHeader, make_display
from kextract.methods import method_spec
from kextract.methods.registry import shown_columns
from kextract.records import EpochRecord, Note, Progress

COLUMNS = ("epoch", "cross_entropy", "accuracy", "train_loss", "agreement", "seconds")
CHECKPOINT = "checkpoints/a-folder-with-a-long-name/and-another-one/mnist-resnet11.weights.h5"
LONG_NOTE = (
    "a note with more words than a terminal of eighty columns has room for, about"
    " 'checkpoints/mnist-resnet11.weights.h5'"
)
OUTCOME = {
    "checkpoint": CHECKPOINT,
    "verdict": "The student agrees with its teacher, in a sentence that is longer than a terminal"
    " has room for.",
    "next": "kextract export x",
}


DRAWN = {
    "class_shares/0": 0.05,
    "class_shares/1": 0.65,
    "class_shares/2": 0.3,
    "entropy": 0.8812,
    "diversity": 0.4321,
    "batch_norm_distance": 12.345,
    "synthesis_seconds": 4.5,
    "student_seconds": 1234.5,
    "evaluation_seconds": 1.5,
}


def header(epochs: int, *, drawn: bool = False) -> RunHeader:
    columns = partial(
        shown_columns, {"inversion": method_spec("inversion")}, measured=True, loss="cross_entropy"
    )
    return RunHeader(
        "student of [bold]teacher[/]",
        "seed 0",
        epochs,
        columns() if drawn else COLUMNS,
        "kextract distill x",
        networks=("teacher  12 layers", "student  3 layers"),
        wide=columns(wide=True) if drawn else (),
    )


def record(epoch: int, *, drawn: bool = False) -> EpochRecord:
    """An epoch whose accuracy is highest at 7, 27, 47, ... and nowhere higher than at 7."""
    accuracy = (0.9 if epoch % 20 == 7 else 0.1) + 0.001 / (epoch + 1)
    trained = epoch > 0
    return EpochRecord(
        epoch,
        loss=4 / (epoch + 1),
        accuracy=accuracy,
        train_loss=3 / epoch if trained else None,
        agreement=0.5,
        seconds=12.9,
        details={
            "confidence": 0.75,
            "cross_entropy": 4 / (epoch + 1),
            **(DRAWN if drawn and trained else {}),
        },
    )


def main() -> None:
    format, epochs = sys.argv[1], int(sys.argv[2])
    hang, drawn = "hang" in sys.argv, "drawn" in sys.argv
    history = []
    with make_display(format) as display:
        display.start(header(epochs, drawn=drawn))
        for epoch in range(epochs + 1):
            for done in range(0, 31, 10):
                display.show(Progress(epoch, "training", done, 30, done * 32, 2.5))
                time.sleep(0.001)
            while hang and epoch == 3:
                time.sleep(0.02)
            history.append(record(epoch, drawn=drawn))
            display.show(history[-1])
            if epoch == 2:
                display.show(Note("a [red]note[/] with \x1b[31man escape"))
                display.show(Note(LONG_NOTE))
        display.finish(history, OUTCOME)


if __name__ == "__main__":
    main()
