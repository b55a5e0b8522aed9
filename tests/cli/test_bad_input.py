"""Every wrong request is answered by one line that says what to do, and leaves nothing behind."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cli.conftest import write_images
from tests.cli.program import kextract

pytestmark = pytest.mark.usefixtures("_few_strokes")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("distil", "Did you mean 'distill'"),
        ("distill --stuent lenet5", "no such option: --stuent (Possible options: --student)"),
        ("distill --epochs", "'--epochs' requires an argument"),
        ("list models", "(see kextract list --help)"),
        ("train-teacher --dataset mnits", "data set 'mnits': did you mean 'mnist'?"),
        ("train-teacher --pooling article", "--pooling article"),
        ("train-teacher --output model.keras", ".weights.h5"),
        ("distill teacher.weights.h5 --model resnet11", "holds a 'lenet5'"),
        ("distill teacher.weights.h5 --method inversion --shift 16", "--shift 16: must be smaller"),
        ("distill nowhere.weights.h5", "nowhere.weights.h5"),
        (
            "distill teacher.weights.h5 --method surrogate --images mnits",
            "--images: unknown data set 'mnits': did you mean 'mnist'?",
        ),
        (
            "synthesize teacher.weights.h5 --class-weight 0",
            "--class-weight 0: the teacher has no batch normalization",
        ),
        ("compare nowhere.weights.h5", "nowhere.weights.h5"),
        ("inspect shades.npz", "shades.npz"),
    ],
)
def test_a_wrong_word_is_named(words: str, says: str, workshop: Path, tmp_path: Path) -> None:
    for name in ("teacher.weights.h5", "shades.npz"):
        shutil.copy(workshop / name, tmp_path)
    before = sorted(tmp_path.rglob("*"))

    refused = kextract(*words.split(), cwd=tmp_path)

    assert says in refused.refusal()
    assert [p for p in sorted(tmp_path.rglob("*")) if p.name != "checkpoints"] == before


@pytest.fixture
def damaged(workshop: Path, tmp_path: Path) -> Path:
    """A copy of the teacher, to be damaged, beside its data set."""
    shutil.copy(workshop / "shades.npz", tmp_path)
    return Path(shutil.copy(workshop / "teacher.weights.h5", tmp_path / "damaged.weights.h5"))


@pytest.fixture
def plain(damaged: Path) -> Path:
    """That copy without anything that says what it is."""
    with h5py.File(damaged, "r+") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        del file["kextract"]
    return damaged


def test_weights_that_say_nothing_need_model_and_data_set(plain: Path) -> None:
    assert "--dataset" in kextract("distill", plain.name, cwd=plain.parent).refusal()
    refused = kextract("distill", plain.name, "--dataset", "shades.npz", cwd=plain.parent)
    assert "--model" in refused.refusal()


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"side": 20}, "20x20x1"),
        ({"channels": 3}, "16x16x3"),
        ({"classes": 5}, "does not know: 3, 4; it knows 0, 1, 2"),
    ],
)
def test_images_that_do_not_fit_the_teacher_are_refused(
    shape: dict[str, int], says: str, workshop: Path, tmp_path: Path
) -> None:
    other = write_images(tmp_path / "other.npz", **shape)
    refused = kextract("distill", "teacher.weights.h5", "--dataset", other, cwd=workshop)
    assert says in refused.refusal()


def test_a_loss_that_is_no_number_ends_the_run_in_one_line(workshop: Path, tmp_path: Path) -> None:
    done = kextract(
        *("train-teacher", "--dataset", workshop / "shades.npz", "--model", "lenet5"),
        *("--learning-rate", "1e30", "-o", "model.weights.h5"),
        cwd=tmp_path,
    )
    assert done.code == 1
    last = done.stderr.splitlines()[-1]
    assert "the loss is not finite in epoch 1" in last and "--learning-rate" in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_gate_that_is_not_met_exits_with_3(workshop: Path, tmp_path: Path) -> None:
    # With every label wrong, the better the teacher is, the surer it misses.
    with np.load(workshop / "shades.npz") as images:
        wrong = (images["y_test"] + 1) % 3
        np.savez(tmp_path / "wrong.npz", x_test=images["x_test"], y_test=wrong)
    gate = ("evaluate", "teacher.weights.h5", "--min-accuracy", "0.5")
    missed = kextract(*gate, "--dataset", tmp_path / "wrong.npz", cwd=workshop)
    met = kextract(*gate, cwd=workshop)
    assert (met.code, met.stderr) == (0, "")
    assert missed.code == 3
    assert len(missed.stderr.splitlines()) == 1
    assert "--min-accuracy" in missed.stderr
