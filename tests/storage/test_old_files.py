"""Files that earlier programs wrote load as they always did, to the bit.

See `files/README.md`. The hashes and figures were taken from the files with h5py and hashlib.
"""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract import runtime
from kextract.errors import CheckpointError
from kextract.storage import load_weights, model_sha256, read_info, sha256_of_tensors
from kextract.storage.resume import read_resume

FILES = Path(__file__).parent / "files"
WEIGHTS = "88093460c0e5b1ad9e3f776cfe13291d66492a9af56ed9c31442c7497cb246d8"
UNFINISHED = "90d2ef8eabf4177d629f97ce18bc6a085fa2bac7833796b5fc3e4df2acf48131"
TEACHER = "5e966c865c89352ccb6ec0dd1ca8d7b49fd478951a239ce6f222db071a197565"


def student() -> Any:
    runtime.start()
    from kextract.models.architectures import build_model

    return build_model("lenet5-half", (16, 16, 1), 3)


@pytest.mark.parametrize("name", ["schema-1.weights.h5", "keras-3.weights.h5", "tf-keras-2.h5"])
def test_the_weights_load_to_the_bit(name: str) -> None:
    model = student()
    assert model_sha256(model) != WEIGHTS
    assert load_weights(FILES / name, model) == WEIGHTS
    assert model_sha256(model) == WEIGHTS


def test_a_checkpoint_of_format_1_says_what_it_said() -> None:
    info = read_info(FILES / "schema-1.weights.h5")
    assert info is not None
    assert (info.schema, info.kextract_version, info.keras_version) == (1, "0.1.0", "3.15.1")
    assert (info.kind, info.model, info.pooling) == ("student", "lenet5-half", "none")
    assert (info.input_shape, info.classes) == ((16, 16, 1), 3)
    assert info.class_names == ("dark", "grau (mittel)", "größer")
    assert (info.dataset, info.flip, info.seed, info.precision) == (
        "shades.npz",
        False,
        7,
        "float32",
    )
    assert info.preprocessing == "[-1, 1]: (x - 127.5) / 127.5"
    assert (info.teacher, info.teacher_sha256) == ("teacher.weights.h5", TEACHER)
    assert (info.sha256, info.created) == (WEIGHTS, "2026-11-24T00:38:39+00:00")
    assert info.config["noise_tolerance"] == 1e-05
    assert info.config["holdout"] == {"fraction": 0.1, "limit": None, "seed": 0}
    assert info.test["accuracy"] == 0.23333333333333334


def test_its_history_is_the_one_it_had() -> None:
    info = read_info(FILES / "schema-1.weights.h5")
    assert info is not None
    assert [record.epoch for record in info.history] == [0, 1, 2]
    losses = [record.loss for record in info.history]
    np.testing.assert_allclose(losses, [1.12841537, 1.12611466, 1.12391498], rtol=1e-8)  # type: ignore[arg-type]
    assert info.history[0].train_loss is None
    assert info.history[1].details["iterations"] == 5
    assert set(info.history[0].details) == {"evaluation_seconds"}


@pytest.mark.parametrize("name", ["keras-3.weights.h5", "tf-keras-2.h5"])
def test_files_of_others_say_nothing_about_themselves(name: str) -> None:
    assert read_info(FILES / name) is None


def test_an_unfinished_run_of_format_1_can_be_gone_on_with() -> None:
    kept = read_resume(FILES / "unfinished-1.resume.h5")
    assert sha256_of_tensors(kept.snapshot.tensors) == UNFINISHED
    assert len(kept.snapshot.tensors) == 32
    assert [record.epoch for record in kept.snapshot.history] == [0, 1, 2]
    assert kept.snapshot.history[1].loss == 1.126119354783062
    assert (kept.request["--method"], kept.request["--seed"]) == ("random", 7)
    assert kept.request["teacher with SHA-256"] == TEACHER


def test_what_a_later_program_may_add_is_ignored(tmp_path: Path) -> None:
    """Attributes, documents and columns that raise no number because they may be ignored."""
    before = read_info(FILES / "schema-1.weights.h5")
    path = Path(shutil.copy(FILES / "schema-1.weights.h5", tmp_path))
    with h5py.File(path, "r+") as file:
        file.attrs["kextract_licence"] = np.bytes_(b"MIT")
        file.attrs["hardware"] = np.arange(3)
        file["kextract/notes"] = np.bytes_(b'{"a": 1}')
        file["kextract/history/energy"] = np.arange(3.0)
    assert read_info(path) == before
    assert load_weights(path, student()) == WEIGHTS


def test_a_layer_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = Path(shutil.copy(FILES / "tf-keras-2.h5", tmp_path))
    with h5py.File(path, "r+") as file:
        file["logits/conv2d_0/bias:0"] = np.zeros(3, "float32")
    with pytest.raises(CheckpointError, match="'conv2d_0/bias' twice"):
        load_weights(path, student())
