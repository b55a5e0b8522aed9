import io
import json
import math

import numpy as np
import pytest

from kextract.config.shared import DISPLAYS
from kextract.display import RunHeader, make_display
from kextract.display.base import fitting
from kextract.errors import UnknownNameError
from kextract.records import EpochRecord, Note, Progress

HEADER = RunHeader("title", "subtitle", 2, ("epoch", "accuracy"), "kextract distill x")


def lines_of(format: str, *records: EpochRecord) -> list[str]:
    stdout = io.StringIO()
    with make_display(format, stdout, io.StringIO()) as display:
        display.start(HEADER)
        for record in records:
            display.show(record)
        display.finish(records, {})
    return stdout.getvalue().splitlines()


def test_a_row_is_flushed_as_its_epoch_ends() -> None:
    class Watched(io.StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    stdout = Watched()
    display = make_display("plain", stdout, io.StringIO())
    display.start(HEADER)
    display.show(EpochRecord(1, accuracy=0.5))
    assert stdout.flushed.splitlines() == ["epoch  accuracy", "    1    0.5000  *"]


def test_the_untrained_model_is_not_marked_but_has_to_be_beaten() -> None:
    records = (EpochRecord(epoch, accuracy=a) for epoch, a in enumerate((0.3, 0.2, 0.25, 0.4)))
    assert [line[-1] for line in lines_of("plain", *records)[1:5]] == ["0", "0", "0", "*"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32(math.nan)])
def test_json_writes_null_for_what_is_no_finite_number(value: float) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    record = EpochRecord(1, loss=value, details={"confidence": value})
    event = json.loads(lines_of("json", record)[1], parse_constant=refuse)
    assert (event["loss"], event["details"]) == (None, {"confidence": None})


def test_a_log_is_told_how_far_work_is_of_which_no_row_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    display = make_display("plain", stdout, stderr)
    display.start(HEADER)
    display.show(Progress(1, "drawing", 1, 9, 1))
    assert "drawing" not in stderr.getvalue()
    monkeypatch.setattr("kextract.display.formats.SILENCE", 0)
    display.show(Progress(1, "drawing", 2, 9, 2))
    display.show(Progress(1, "teaching", 2, 9, 2))
    assert stderr.getvalue().splitlines()[-1] == "drawing 2/9"
    assert stdout.getvalue() == ""


@pytest.mark.parametrize("format", DISPLAYS)
def test_every_format_writes_notes_to_stderr_only(format: str) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    display = make_display(format, stdout, stderr)
    display.show(Note("stopped early"))
    assert stdout.getvalue() == ""
    assert stderr.getvalue().endswith("stopped early\n")


def test_a_run_without_epochs_has_an_outcome_and_no_table() -> None:
    stdout = io.StringIO()
    with make_display("plain", stdout, io.StringIO()) as display:
        display.start(RunHeader("title", "", 0, (), "kextract synthesize x"))
        display.show(Progress(1, "drawing", 1, 2, 5))
        display.finish((), {"images": "x.png", "requested": 0.5})
    assert stdout.getvalue().splitlines() == ["images     x.png", "requested  0.5000"]


@pytest.mark.parametrize("name", ["checkpoint", "images"])
def test_quiet_writes_the_path_of_what_was_made(name: str) -> None:
    stdout = io.StringIO()
    make_display("quiet", stdout, io.StringIO()).finish((), {name: "a path", "accuracy": 0.5})
    assert stdout.getvalue() == "a path\n"


def test_a_row_survives_an_encoding_that_lacks_its_characters() -> None:
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding="ascii")
    make_display("plain", stdout, io.StringIO()).finish([], {"checkpoint": "modèle"})
    assert raw.getvalue() == b"checkpoint  mod?le\n"


def test_an_unknown_column_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="unknown column 'acuracy': did you mean 'accuracy'"):
        RunHeader("", "", 1, ("acuracy",), "")


PARTS = ("synthesis_seconds", "student_seconds", "evaluation_seconds")


def test_a_column_too_wide_is_passed_over_for_one_that_fits() -> None:
    names = ("epoch", "train_loss", "requested")
    assert fitting(names, 5 + 2 + 9 + 3) == ("epoch", "requested")


def test_the_parts_of_the_time_are_shown_together_or_not_at_all() -> None:
    names = ("epoch", *PARTS, "seconds")
    whole = 5 + 11 + 9 + 8 + 8 + 3
    assert fitting(names, whole) == names
    assert fitting(names, whole - 1) == ("epoch", "seconds")
