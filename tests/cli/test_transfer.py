"""Students taught with given images and with a mix, through the real program."""

import shutil
from pathlib import Path

import pytest

from kextract.storage import read_info
from tests.cli.program import kextract, kextract_acted_on
from tests.datasets.images import png_bytes, random_images

TEACH = (
    *("distill", "teacher.weights.h5", "--method", "surrogate", "--images", "pictures"),
    *("--mix", "random", "--schedule", "constant", "--steps-per-epoch", "2"),
    *("--student", "own.keras"),
    *("--batch-size", "4", "--precision", "float32", "--format", "plain"),
)


@pytest.fixture(scope="module")
def unwritten(workshop: Path, network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two epochs that could not write its checkpoint in the end."""
    folder = tmp_path_factory.mktemp("unwritten")
    for path in (workshop / "teacher.weights.h5", workshop / "shades.npz", network):
        shutil.copy(path, folder)
    for number, size in enumerate([(16, 16), (9, 40, 3), (31, 20)]):
        path = folder / "pictures" / "some" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(random_images(*size, seed=number)))
    words = (*TEACH, "--epochs", "2", "-o", "model.weights.h5")
    output = folder / "model.weights.h5"
    done = kextract_acted_on(0, output.mkdir, *words, cwd=folder)
    assert done.code == 2, done.stderr
    output.rmdir()
    return folder


@pytest.fixture(scope="module")
def whole(unwritten: Path) -> Path:
    """The same run with an epoch more, never stopped, and with pictures."""
    words = (*TEACH, "--epochs", "3", "-o", "whole.weights.h5", "--save-images", "2")
    done = kextract(*words, cwd=unwritten)
    assert done.code == 0, done.stderr
    return unwritten / "whole.weights.h5"


def test_a_checkpoint_says_what_its_student_was_taught_with(whole: Path) -> None:
    info = read_info(whole)
    assert info is not None
    names = ("method", "mix", "mix_share", "images")
    assert [info.config[name] for name in names] == ["surrogate", "random", 0.5, "pictures"]
    taught_with = len(list((whole.parent / "pictures").rglob("*.png")))
    assert info.config["images_used"] == {"surrogate": taught_with}


def test_pictures_of_an_earlier_run_are_kept(workshop: Path, tmp_path: Path) -> None:
    (tmp_path / "model-epoch-0004.png").write_text("precious")
    refused = kextract(
        *("distill", workshop / "teacher.weights.h5", "--method", "random", "--epochs", "4"),
        *("--save-images", "2", "-o", tmp_path / "model.weights.h5"),
        cwd=workshop,
    )
    assert "model-epoch-0004.png' exists already; pass --overwrite" in refused.refusal()
    assert (tmp_path / "model-epoch-0004.png").read_text() == "precious"


@pytest.mark.parametrize("flag", ["--method", "--mix"])
def test_the_teacher_s_own_images_have_to_be_there(
    flag: str, workshop: Path, tmp_path: Path
) -> None:
    refused = kextract("distill", workshop / "teacher.weights.h5", flag, "real", cwd=tmp_path)
    assert f"{flag} real: needs the teacher's images: " in refused.refusal()
