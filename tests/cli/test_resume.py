"""Which unfinished runs are gone on with, and which are refused and kept."""

import json
import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.datasets.images import Images
from kextract.errors import CheckpointError, NonFiniteError, RequestError, StorageError
from kextract.records import EpochRecord, Snapshot
from kextract.runs.resume_store import ResumeStore, comparable, images_sha256, reserved
from kextract.storage import read_info
from kextract.storage.resume import Request, read_resume, resume_path, write_resume
from tests.cli.conftest import write_images
from tests.cli.program import kextract, kextract_acted_on
from tests.cli.stopping import epochs_of

COMMAND = "kextract distill teacher.weights.h5"
REQUEST: Request = {
    "--schedule": "cosine",
    "--augment": True,
    "--limit": None,
    "--learning-rate": 0.001,
}


def keeping(output: Path, **how: Any) -> AbstractContextManager[ResumeStore]:
    """Reserve the output of a run; by default a new one that replaces nothing."""
    return reserved(output, **{"resume": False, "overwrite": False, "command": COMMAND, **how})


def epoch(number: int) -> Snapshot:
    history = tuple(EpochRecord(n, loss=1.0) for n in range(number + 1))
    return Snapshot(history, {"model/0": np.full(3, number, np.float32)})


def stop_after(output: Path, *, epochs: int, failure: BaseException) -> BaseException:
    """Stop a run after so many epochs and return what it was stopped by."""
    with pytest.raises(type(failure)) as stopped, keeping(output) as store:
        store.begin(REQUEST, epochs=9)
        for number in range(1, epochs + 1):
            store.keep(epoch(number))
        raise failure
    return stopped.value


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The output of a run that was stopped after two epochs."""
    path = tmp_path / "model.weights.h5"
    stop_after(path, epochs=2, failure=KeyboardInterrupt())
    return path


def go_on(output: Path, request: Request, *, epochs: int = 9) -> Snapshot | None:
    with keeping(output, resume=True) as store:
        return store.begin(request, epochs)


FORMAT_1 = json.loads("""{
"--method": "adversarial", "--steps-per-epoch": 30, "--batch-size": 32, "--minutes": null,
"--recipe": "corrected", "--optimizer": "adam", "--learning-rate": 0.0001, "--schedule":
"constant", "--distance": "kl", "--temperature": 4.0, "--match": "logits", "--mix": null,
"--mix-share": 0.5, "--candidates": 1, "--leaves": 32768, "--cutmix": 0.0, "--shift": 0, "--flip":
null, "--noise-learning-rate": 0.01, "--noise-iterations": 100, "--noise-tolerance": 1e-05,
"--seed": 0, "--precision": "auto", "--class-weight": 1.0, "--batch-norm-weight": 1.0,
"--balance-weight": 0.0, "--variation-weight": 0.5, "--latent-size": 64, "--generator-channels":
16, "--generator-learning-rate": 0.002, "--synthesis-batch-size": 128, "--adversarial-weight":
0.0, "--adversarial-after": 200, "--adversarial-share": 1.0, "--warm-up": 100, "--round-updates":
20, "--generator-steps": 2, "--new-images": 256, "--first-images": 2048, "--bank-size": 16384,
"--query-budget": 20000, "--questions": null, "--query-batch": 256, "--query-attempts": 5,
"--query-timeout": 60.0, "--first-share": 0.1, "--query-rounds": 6, "--query-choice": 12,
"--scout-updates": 500, "--mixup": 0.0}""")
"""The options of an unfinished run as the first version of the format names them."""


def test_a_run_that_the_first_version_kept_goes_on_by_the_new_names_of_its_options(
    tmp_path: Path,
) -> None:
    path, config = tmp_path / "model.weights.h5", DistillConfig()
    write_resume(resume_path(path), epoch(2), FORMAT_1)
    same = replace(config, inversion=replace(config.inversion, tv_weight=0.5))
    batch = {"--synthesis-batch-size": 128}
    assert go_on(path, comparable(same) | batch) is not None
    with pytest.raises(
        RequestError, match=r"has --tv-weight 0\.5, but --tv-weight 0.0 was asked for"
    ):
        go_on(path, comparable(config) | batch)


def test_an_option_that_is_gone_is_refused_where_it_was_used(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    write_resume(resume_path(path), epoch(2), {"--mixup": 0.5})
    with pytest.raises(RequestError, match=r"has --mixup 0\.5, but no --mixup was asked for"):
        go_on(path, {})


def test_leaves_of_an_earlier_version_go_on_where_they_are_now_counted_by_the_images(
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.weights.h5"
    write_resume(resume_path(path), epoch(2), {"--leaves": 32768})
    assert go_on(path, {"--leaves": None}) is not None
    with pytest.raises(RequestError, match="--leaves 32768"):
        go_on(path, {"--leaves": 70})
    write_resume(resume_path(path), epoch(2), {"--leaves": 70})
    with pytest.raises(RequestError, match="--leaves 70"):
        go_on(path, {"--leaves": None})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"--learning-rate": 0.01},
            "has --learning-rate 0.001, but --learning-rate 0.01 was asked for",
        ),
        ({"--limit": 100}, "has no --limit, but --limit 100 was asked for"),
    ],
)
def test_another_option_is_refused_with_both_values(
    change: dict[str, Any], says: str, output: Path
) -> None:
    before = resume_path(output).read_bytes()
    with pytest.raises(RequestError) as refused:
        go_on(output, {**REQUEST, **change})
    assert says in str(refused.value)
    assert "--overwrite" in str(refused.value)
    assert resume_path(output).read_bytes() == before


def test_fewer_epochs_than_there_are_cannot_be_had(output: Path) -> None:
    with pytest.raises(RequestError, match=r"--epochs 1: .* has 2 epochs already"):
        go_on(output, REQUEST, epochs=1)


def test_without_the_flag_an_unfinished_run_is_announced_and_kept(output: Path) -> None:
    before = resume_path(output).read_bytes()
    with (
        pytest.raises(
            RequestError, match=r"with 2 epochs: pass --resume to continue, or --overwrite"
        ),
        keeping(output),
    ):
        pass
    assert resume_path(output).read_bytes() == before


def test_starting_over_gives_the_unfinished_run_up_when_work_begins(output: Path) -> None:
    with keeping(output, overwrite=True) as store:
        assert resume_path(output).exists()
        assert store.begin({"--seed": 1}, epochs=1) is None
        assert not resume_path(output).exists()


def test_without_an_unfinished_run_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--resume: there is no unfinished run"):
        go_on(tmp_path / "model.weights.h5", REQUEST)


def test_a_finished_run_is_called_finished(tmp_path: Path) -> None:
    (tmp_path / "model.weights.h5").touch()
    with pytest.raises(RequestError, match=r"model\.weights\.h5' is finished.*--extendable"):
        go_on(tmp_path / "model.weights.h5", REQUEST)


def test_a_damaged_file_is_named_and_only_given_up_on_demand(output: Path) -> None:
    os.truncate(resume_path(output), 100)
    with pytest.raises(CheckpointError, match=r"\.model\.resume\.h5.*--overwrite"):
        go_on(output, REQUEST)
    assert resume_path(output).stat().st_size == 100
    with keeping(output, overwrite=True) as store:
        store.begin(REQUEST, epochs=3)


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_kept_by_a_newer_program_says_which_one_is_needed(resume: bool, output: Path) -> None:
    with h5py.File(resume_path(output), "r+") as file:
        file.attrs["kextract_resume"] = np.int64(2)
        file.attrs["kextract_version"] = np.bytes_(b"9.1.0")
    before = resume_path(output).read_bytes()
    with (
        pytest.raises(CheckpointError, match=r"kextract 9\.1\.0 in format 2.*: update kextract"),
        keeping(output, resume=resume),
    ):
        pass
    assert resume_path(output).read_bytes() == before


@pytest.mark.parametrize(
    ("epochs", "failure", "says"),
    [
        (0, KeyboardInterrupt(), "nothing was kept"),
        (1, KeyboardInterrupt(), "epoch 1 is kept; to continue: kextract "),
        (3, StorageError("no space"), "no space; epochs 1 to 3 are kept; to continue: kextract "),
        (2, NonFiniteError("nan"), "nan; epochs 1 to 2 are kept; --overwrite starts over"),
        (0, NonFiniteError("nan"), "nan; nothing was kept"),
    ],
)
def test_whatever_stops_a_run_says_what_was_kept(
    epochs: int, failure: BaseException, says: str, tmp_path: Path
) -> None:
    stopped = stop_after(tmp_path / "model.weights.h5", epochs=epochs, failure=failure)
    assert str(stopped).startswith(says)
    assert ("--resume" in says) or str(stopped).endswith(("--resume", says))


def test_a_run_stopped_after_its_end_says_that_it_was_written(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt, match=r"'.*model\.weights\.h5' was written"),
        keeping(tmp_path / "model.weights.h5") as store,
    ):
        store.begin(REQUEST, epochs=1)
        store.end()
        raise KeyboardInterrupt


TEACH = (
    *("train-teacher", "--model", "own.keras", "--batch-size", "8", "--patience", "0"),
    *("--precision", "float32", "--format", "plain", "-o", "model.weights.h5"),
)


@pytest.fixture(scope="module")
def unwritten(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of three epochs that could not write its checkpoint in the end."""
    folder = tmp_path_factory.mktemp("unwritten")
    shutil.copy(network, folder)
    write_images(folder / "shades.npz")
    output = folder / "model.weights.h5"
    words = (*TEACH, "--dataset", "shades.npz", "--epochs", "3")
    done = kextract_acted_on(0, output.mkdir, *words, cwd=folder)
    assert done.code == 2, done.stderr
    output.rmdir()
    (folder / "last line").write_text(done.stderr.splitlines()[-1])
    return folder


@pytest.fixture
def bench(unwritten: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(unwritten, tmp_path / "bench"))


def test_a_run_that_cannot_write_its_checkpoint_keeps_all_its_epochs(bench: Path) -> None:
    line = (bench / "last line").read_text()
    assert "epochs 1 to 3 are kept; to continue: kextract train-teacher" in line
    assert line.endswith(" --resume")
    assert len(read_resume(bench / ".model.resume.h5").snapshot.history) == 4


def test_other_images_are_another_request() -> None:
    first = Images(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1]))
    brighter, relabelled = replace(first, x=first.x + 1), replace(first, y=first.y[::-1])
    hashes = [images_sha256(images, first) for images in (first, brighter, relabelled, None)]
    assert len({*hashes, images_sha256(first)}) == 5
    assert images_sha256(None) is None


LONGER = (*TEACH, "--dataset", "shades.npz", "--epochs", "5")


@pytest.fixture(scope="module")
def whole(unwritten: Path) -> str:
    """The hash of the weights of five epochs without a stop."""
    folder = unwritten.parent / "whole"
    folder.mkdir()
    for name in ("shades.npz", "own.keras"):
        shutil.copy(unwritten / name, folder)
    assert kextract(*LONGER, cwd=folder).code == 0
    return sha256(folder)


def sha256(folder: Path) -> str:
    info = read_info(folder / "model.weights.h5")
    assert info is not None
    return info.sha256


def test_a_longer_run_goes_on_from_a_shorter_one(bench: Path, whole: str) -> None:
    resumed = kextract(*LONGER, "--resume", cwd=bench)
    assert resumed.code == 0, resumed.stderr
    assert epochs_of(resumed.stdout) == [0, 1, 2, 3, 4, 5]
    assert sha256(bench) == whole
    assert not (bench / ".model.resume.h5").exists()


def test_a_finished_run_that_is_extendable_is_trained_further(bench: Path, whole: str) -> None:
    short = (*LONGER[:-1], "3", "--extendable", "--resume")
    assert kextract(*short, cwd=bench).code == 0
    refused = kextract(*short, cwd=bench).refusal()
    assert "is finished, with 3 epochs; --epochs asks for more" in refused
    extended = kextract(*LONGER, "--extendable", "--resume", cwd=bench)
    assert epochs_of(extended.stdout) == [0, 1, 2, 3, 4, 5]
    assert sha256(bench) == whole


def test_what_ends_by_its_schedule_cannot_be_extended(bench: Path) -> None:
    words = (*TEACH, "--dataset", "shades.npz", "--extendable", "--schedule", "cosine")
    refused = kextract(*words, "--overwrite", cwd=bench).refusal()
    assert "--extendable: needs --schedule constant" in refused
