"""What the words of a command are enough to refuse is refused before a network is read."""

from pathlib import Path

import pytest

from tests.cli.program import kextract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file that is called a network and cannot be read as one."""
    (tmp_path / "damaged.onnx").write_bytes(b"\xff" * 64)
    (tmp_path / "there.weights.h5").touch()
    (tmp_path / "note.txt").touch()
    return tmp_path


LENET = "--method shapes --student lenet5"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("distill damaged.onnx --output bad-name", "--output: 'bad-name' must end in"),
        ("distill damaged.onnx --metrics x.txt", "--metrics: 'x.txt' must end in"),
        ("distill damaged.onnx --method shapes", "name the student's with --student"),
        (f"distill damaged.onnx {LENET} -o there.weights.h5", "exists already"),
        (
            "distill damaged.onnx --method surrogate --student lenet5 --images no/where",
            "--images: no/where: expected the name of a data set",
        ),
        (f"distill damaged.onnx {LENET} --dataset no.npz", "no.npz: expected an .npz"),
        (
            "export damaged.onnx --int8 -o x.tflite --calibrate no/where",
            "--calibrate: no/where: expected the name of a data set",
        ),
        (
            "evaluate damaged.onnx --against damaged.onnx --images no/where",
            "--images: no/where: expected",
        ),
        ("evaluate damaged.onnx", "name them with --dataset"),
        ("predict damaged.onnx note.txt", "note.txt: expected an image"),
    ],
)
def test_a_request_is_refused_before_the_network_is(command: str, says: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    refusal = kextract(*command.split(), cwd=folder).refusal()
    assert says in refusal
    assert "damaged.onnx': " not in refusal
    assert sorted(folder.iterdir()) == before


def test_the_network_is_refused_when_it_is_read(folder: Path) -> None:
    refusal = kextract("distill", "damaged.onnx", *LENET.split(), cwd=folder).refusal()
    assert "damaged.onnx': " in refusal
