import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kextract.display import RunHeader
from kextract.display.files import TensorBoard
from kextract.errors import RequestError, StorageError
from kextract.records import EpochRecord, Picture

HEADER = RunHeader("student", "seed 0", 3, ("epoch", "loss"), "kextract distill x")
HISTORY = (
    EpochRecord(0, loss=2.5, accuracy=0.25),
    EpochRecord(1, 1.5, 0.5, 0.25, 0.75, 0.125, 12.5, {"confidence": 0.875}),
    EpochRecord(2, 1.25, 0.625, 0.125, 0.75, 0.125, 12.5),
)


@pytest.fixture(autouse=True)
def _needs_tensorflow(tensorflow: ModuleType) -> None:
    del tensorflow


def write(folder: Path, *events: EpochRecord | Picture, resume: bool = False) -> None:
    """Listen to a run that is stopped after the events."""
    with TensorBoard(folder, resume=resume) as listener:
        listener.start(HEADER)
        for event in events:
            listener.show(event)


def read(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Read scalars and images with TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    reader = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    reader.Reload()
    return {
        tag: [(event.step, make_ndarray(event.tensor_proto)) for event in reader.Tensors(tag)]
        for tag in reader.Tags()["tensors"]
    }


def test_metrics_and_details_are_scalars_by_epoch(tmp_path: Path) -> None:
    write(tmp_path, *HISTORY)
    found = read(tmp_path)
    assert [(step, float(value)) for step, value in found["validation/accuracy"]] == [
        (0, 0.25),
        (1, 0.5),
        (2, 0.625),
    ]
    assert [step for step, _ in found["training/loss"]] == [1, 2]
    assert found["details/confidence"] == [(1, 0.875)]


def test_a_grid_of_images_is_a_picture(tmp_path: Path, tensorflow: ModuleType) -> None:
    grid = np.arange(4 * 6, dtype=np.uint8).reshape(4, 6, 1) * 10
    write(tmp_path, HISTORY[0], Picture(1, grid))
    ((step, content),) = read(tmp_path)["images"]
    # Width and height come first, then the PNG files.
    assert (step, content[0], content[1]) == (1, b"6", b"4")
    np.testing.assert_array_equal(tensorflow.io.decode_png(content[2]).numpy(), grid)


def test_what_a_killed_run_left_is_continued(tmp_path: Path) -> None:
    write(tmp_path, *HISTORY[:2])
    (events,) = tmp_path.iterdir()
    events.write_bytes(events.read_bytes()[:-7])
    write(tmp_path, *HISTORY, resume=True)
    assert [step for step, _ in read(tmp_path)["validation/loss"]][-1] == 2


def test_a_folder_with_another_run_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *HISTORY)
    with pytest.raises(RequestError, match="has the events of another run"):
        TensorBoard(tmp_path)


def test_what_a_run_left_that_was_stopped_before_epoch_1_is_begun_anew(tmp_path: Path) -> None:
    write(tmp_path, HISTORY[0])
    write(tmp_path, *HISTORY)
    assert [step for step, _ in read(tmp_path)["validation/loss"]] == [0, 1, 2]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--tensorboard: cannot write to"):
        write(tmp_path / "file" / "events")


STUDIES = Path(__file__).parents[2] / "docs" / "studies.md"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pkg_resources") is None, reason="the extra is not installed")
def test_the_command_of_the_docs_starts_tensorboard(tmp_path: Path) -> None:
    write(tmp_path, *HISTORY)
    (line,) = re.findall(r"^python (-m tensorboard.* --logdir) \S+$", STUDIES.read_text(), re.M)
    command = [sys.executable, *shlex.split(line), str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        # It says where it is to be seen, and goes on until it is stopped.
        started = any("http://localhost:" in line for line in process.stderr)
        process.terminate()
    assert started
