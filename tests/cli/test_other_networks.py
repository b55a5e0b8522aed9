"""Files that PyTorch wrote, through the commands: from ONNX to integers, and a black box."""

from pathlib import Path

import pytest

from tests.cli.program import kextract

FILES = Path(__file__).parents[1] / "foreign" / "onnx" / "files"
QUICK = ("--epochs", "1", "--steps-per-epoch", "2", "--threads", "1")

pytest.importorskip("onnx", reason="ONNX files need the extra kextract[onnx]")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of a network of PyTorch's, whose channels are shuffled: none can be removed."""
    folder = tmp_path_factory.mktemp("phone")
    # It was never trained: only wide ranges of pixels make it tell images apart.
    options = ("--method", "shapes", "--input-range=-60,60", *QUICK)
    done = kextract(
        "distill", FILES / "cnn-traced.onnx", "--student", "mobile@0.5", *options,
        "-o", "small.weights.h5", cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    return folder / "small.weights.h5"


def test_what_an_onnx_file_holds_is_shown_with_how_it_was_compared(tmp_path: Path) -> None:
    shown = kextract("inspect", FILES / "cnn-traced.onnx", cwd=tmp_path)
    assert "a network" in shown.stdout
    assert "agrees with onnxruntime on 100.0% of 64 images" in shown.stdout


@pytest.mark.slow
def test_a_student_of_pytorchs_network_becomes_a_file_of_integers(
    student: Path, tmp_path: Path
) -> None:
    done = kextract("export", student, "--int8", "--min-agreement", "0.5", "-o", "a.tflite",
                    cwd=tmp_path)  # fmt: skip
    assert done.code == 0, done.stderr
    assert (tmp_path / "a.tflite").read_bytes()[4:8] == b"TFL3"


def test_a_file_is_asked_under_a_budget_where_one_is_given(tmp_path: Path) -> None:
    plan = kextract(
        "distill", FILES / "cnn-traced.onnx", "--student", "lenet5", "--query-budget", "100",
        "--dry-run", cwd=tmp_path,
    )  # fmt: skip
    assert 'method = "queries"' in plan.stdout


def test_a_pytorch_file_is_refused_with_how_to_write_it_as_onnx(tmp_path: Path) -> None:
    """By the lines of the documentation, one for each exporter."""
    (tmp_path / "model.pt").write_bytes(b"PK\3\4")
    said = kextract("inspect", "model.pt", cwd=tmp_path).refusal()
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("torch.onnx.export(")]
    assert len(lines) == 2
    assert all(line in said for line in lines)
