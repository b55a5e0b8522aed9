"""A run that trains nothing: `python -m tests.display.simulated FORMAT EPOCHS [hang]`."""

import sys
import time
from typing import cast

from kextract.display import Format, RunHeader, make_display
from kextract.records import EpochRecord, Note, Progress

COLUMNS = ("epoch", "loss", "accuracy", "train_loss", "agreement", "seconds")
CHECKPOINT = "checkpoints/a-folder-with-a-long-name/and-another-one/mnist-resnet11.weights.h5"


def header(epochs: int) -> RunHeader:
    return RunHeader("student of [bold]teacher[/]", "seed 0", epochs, COLUMNS, "kextract distill x")


def record(epoch: int) -> EpochRecord:
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
        details={"confidence": 0.75},
    )


def main() -> None:
    format, epochs, hang = cast(Format, sys.argv[1]), int(sys.argv[2]), "hang" in sys.argv
    history = []
    with make_display(format) as display:
        display.start(header(epochs))
        for epoch in range(epochs + 1):
            for done in range(0, 31, 10):
                display.show(Progress(epoch, "training", done, 30, done * 32, 2.5))
                time.sleep(0.001)
            while hang and epoch == 3:
                time.sleep(0.02)
            history.append(record(epoch))
            display.show(history[-1])
            if epoch == 2:
                display.show(Note("a [red]note[/] with \x1b[31man escape"))
        display.finish(history, {"checkpoint": CHECKPOINT})


if __name__ == "__main__":
    main()
