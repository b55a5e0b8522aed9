"""kextract from Python, and every block of docs/python.md."""

import importlib
import inspect
import logging
import os
import random
import re
import shutil
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import keras
import numpy as np
import pytest
import tensorflow as tf

import kextract
from kextract import options as options_of_functions
from kextract.api import ONLY_TYPED
from kextract.config.option import Entry, table
from kextract.config.requests import REQUESTS
from kextract.errors import NonFiniteError, RequestError
from kextract.records import EpochRecord, Progress
from kextract.storage import read_info
from tests.api.test_in_memory import TEACHER, dense

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("_few_strokes")
QUICK: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 2, "batch_size": 4, "seed": 3}


def test_what_is_not_there_is_said_as_python_says_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'destill'"):
        kextract.destill  # noqa: B018


def test_a_run_goes_on_while_it_is_iterated_over_is_silent_and_can_be_saved(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = kextract.distill(dense(), "lenet5-half", method="random", **QUICK)
    events = list(run)
    assert [event.epoch for event in events if isinstance(event, EpochRecord)] == [0, 1, 2]
    assert sum(isinstance(event, Progress) for event in events) == 4
    assert list(run) == []
    assert capfd.readouterr() == ("", "")
    run.save(tmp_path / "student.weights.h5")
    info = read_info(tmp_path / "student.weights.h5")
    assert info is not None
    assert (info.kind, info.model, len(info.history)) == ("student", "lenet5-half", 3)
    with pytest.raises(RequestError, match="exists already"):
        run.save(tmp_path / "student.weights.h5")


def test_with_progress_a_table_grows_and_ends_in_the_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = QUICK | {"method": "random", "dataset": "strokes", "progress": True}
    run = kextract.distill(dense(), "lenet5-half", **options)
    assert len(run.history) == 3
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    start = lines.index("epoch    loss  accuracy  agreement    time") + 1
    rows = [line.split()[0] for line in lines[start:] if line.split()]
    assert [word for word in rows if word.isdigit()] == ["0", "1", "2"]
    assert run.verdict in " ".join(lines) and shown.err == ""


@pytest.mark.parametrize(("normalizes", "method"), [(True, "inversion"), (False, "leaves")])
def test_a_method_is_chosen_by_what_the_teacher_in_memory_is(normalizes: bool, method: str) -> None:
    teacher = dense()
    if normalizes:
        teacher.add(keras.layers.BatchNormalization())
    assert kextract.distill(teacher, "lenet5").invocation.request.config.method == method


def test_a_run_says_what_it_is_and_where_it_stands() -> None:
    run = kextract.distill(dense(), "lenet5-half", method="random", dataset="strokes", **QUICK)
    name = "student lenet5-half of linear by random"
    assert repr(run) == f"<kextract run: {name}, not begun>"
    records = (event for event in run if isinstance(event, EpochRecord))
    accuracy = next(record.accuracy for record in records if record.epoch == 1)
    assert repr(run).startswith(f"<kextract run: {name}, epoch 1 of 2, accuracy {accuracy:.3f}, ")
    assert len(run.history) == 3
    assert repr(run).startswith(f"<kextract run: {name}, finished at epoch 2 of 2, accuracy ")


def test_what_made_a_run_fail_is_said_again_when_its_result_is_asked_for() -> None:
    options = QUICK | {"learning_rate": 1e38}
    run = kextract.distill(dense(), "lenet5-half", method="random", **options)
    with pytest.raises(NonFiniteError) as first:
        list(run)
    with pytest.raises(NonFiniteError) as again:
        run.model  # noqa: B018
    assert str(again.value) == str(first.value)
    assert "failed at epoch" in repr(run)


def test_what_the_caller_shares_with_us_is_left_as_it_was() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    tf.get_logger().setLevel("WARNING")
    determinism = importlib.import_module("tensorflow.python.framework.config")
    determinism.disable_op_determinism()
    teacher = dense()
    random.seed(5)
    np.random.seed(5)
    filters, environment = list(warnings.filters), dict(os.environ)
    try:
        run = kextract.distill(teacher, "teacher@0.5", method="random", **QUICK)
        assert len(run.history) == 3
        assert run.student is not None
        assert random.random() == random.Random(5).random()
        assert np.random.random() == np.random.RandomState(5).random()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert tf.get_logger().level == logging.WARNING
        assert not determinism.is_op_determinism_enabled()
        assert (list(warnings.filters), dict(os.environ)) == (filters, environment)
    finally:
        keras.config.set_dtype_policy("float32")
        tf.get_logger().setLevel("ERROR")
        determinism.enable_op_determinism()


def expected_type(name: str, entry: Entry) -> Any:
    """The type by which Python takes an option, told from its entry in the table."""
    path = str | Path
    files = entry.kind is Path or "NPZ" in (entry.option.metavar or "") or name == "preset"
    numbers = {"input_range": Sequence[float], "input_shape": Sequence[int]}
    kind: Any = entry.kind
    if isinstance(entry.option.choices, Collection):
        kind = Literal[tuple(entry.option.choices)] if entry.option.choices else kind
    if files:
        kind = path
    if name in numbers:
        kind = str | numbers[name]
    return kind | None if entry.optional else kind


@pytest.mark.parametrize(
    "function", ["train_teacher", "distill", "synthesize", "export", "evaluate"]
)
def test_the_options_are_typed_as_the_table_has_them(function: str) -> None:
    command = function.replace("_", "-")
    named = {*inspect.signature(getattr(kextract, function)).parameters, *ONLY_TYPED}
    arguments = {"checkpoint"}
    expected = {
        name: expected_type(name, entry)
        for name, entry in table(REQUESTS[command]).items()
        if name not in named | arguments
    }
    typed = getattr(options_of_functions, f"{command.title().replace('-', '')}Options")
    assert get_type_hints(typed) == expected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps_per_epoch": np.float32(2.5)}, "steps_per_epoch=.*2.5.*: must be a whole number"),
        ({"epochs": True}, "epochs=True: must be a whole number"),
        ({"flip": "maybe"}, "flip='maybe': must be true or false"),
        ({"input_range": (0, "white")}, "input_range=.*: must be a text"),
        ({"epoch": 3}, "unknown option 'epoch': did you mean 'epochs'"),
        ({"epochs": 0}, "--epochs 0: must be 1 or more"),
        ({"output": "x"}, "output: is for the command line"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        kextract.distill(TEACHER, method="random", **options)


def test_a_run_is_drawn_by_epoch_and_reported_on_a_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    run = kextract.train_teacher("strokes", dense(), epochs=2, limit=50)
    assert run.info.model == "keras"
    _, accuracies = run.plot().axes
    (line,) = (line for line in accuracies.lines if np.size(line.get_xdata()) == 3)
    shown = [100 * epoch.accuracy for epoch in run.history if epoch.accuracy is not None]
    np.testing.assert_allclose(np.asarray(line.get_ydata()), shown)
    run.report(tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text()
    assert "7,850" in page, "parameters of a dense layer from 784 pixels to 10 classes"
    assert "<svg" in page
    with pytest.raises(RequestError, match=r"must end in \.html"):
        run.report(tmp_path / "run.txt")
    with pytest.raises(RequestError, match="exists already"):
        run.report(tmp_path / "run.html")


def test_settings_of_keras_have_no_part_in_it_and_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(TEACHER.parent))
    keras.config.set_image_data_format("channels_first")
    try:
        model = kextract.load(f"~/{TEACHER.name}")
        assert keras.config.image_data_format() == "channels_first"
        assert model(np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 10)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert {layer.data_format for layer in model.layers if hasattr(layer, "data_format")} == {
        "channels_last"
    }


SHORT = {
    'method="inversion"': 'method="random", epochs=1, steps_per_epoch=2, batch_size=4',
    'method="random")': 'method="random", epochs=1, steps_per_epoch=2, batch_size=4)',
    "epochs=2)": "epochs=1, steps_per_epoch=2, batch_size=4)",
    "steps=50": "steps=2, per_class=1, synthesis_batch_size=10, generator_channels=2",
    "epochs=1)": "epochs=1, limit=50)",
}
"""Makes the blocks of the docs short; each has to stand in them."""


@pytest.mark.slow
@pytest.mark.parametrize(("page", "count"), [("docs/python.md", 4), ("README.md", 1)])
def test_every_block_of_the_docs_runs(
    page: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert len(blocks) == count
    for shown, short in SHORT.items():
        blocks = [block.replace(shown, short) for block in blocks]
    exec("\n".join(blocks), {})


def test_what_makes_the_blocks_short_stands_in_them() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    assert [shown for shown in SHORT if shown not in text] == []
