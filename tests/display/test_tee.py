from collections.abc import Sequence

import numpy as np
import pytest

from kextract.display import Display, Outcome, RunHeader
from kextract.display.base import Tee
from kextract.records import EpochRecord, Note, Picture, Progress

HEADER = RunHeader("student", "seed 0", 3, ("epoch", "loss"), "kextract distill x")


class Recorder(Display):
    """Writes down what it is told."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.heard: list[str] = []
        self._fails = fails

    def start(self, header: RunHeader) -> None:
        self.heard.append("start")

    def progress(self, progress: Progress) -> None:
        self.heard.append("progress")

    def epoch(self, record: EpochRecord) -> None:
        self.heard.append(f"epoch {record.epoch}")

    def picture(self, picture: Picture) -> None:
        self.heard.append("picture")

    def note(self, text: str) -> None:
        self.heard.append(text)

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        self.heard.append("finish")

    def close(self) -> None:
        self.heard.append("close")
        if self._fails:
            raise OSError("cannot close")


def test_all_listeners_hear_everything_in_order() -> None:
    first, second = Recorder(), Recorder()
    with Tee(first, second) as display:
        display.start(HEADER)
        display.show(Progress(0, "training", 0, 1, 0))
        display.show(EpochRecord(0))
        display.show(Note("a note"))
        display.note("another")
        display.show(Picture(0, np.zeros((1, 1, 1), np.uint8)))
        display.finish((), {})
    expected = ["start", "progress", "epoch 0", "a note", "another", "picture", "finish", "close"]
    assert first.heard == second.heard == expected


def test_one_listener_that_cannot_close_leaves_none_open() -> None:
    listeners = Recorder(), Recorder(fails=True), Recorder()
    with pytest.raises(OSError, match="cannot close"), Tee(*listeners):
        pass
    assert all(listener.heard == ["close"] for listener in listeners)
