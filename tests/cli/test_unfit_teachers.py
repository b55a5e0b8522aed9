"""A teacher that has nothing to teach is said to have nothing, before the first epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from tests.cli.program import Finished, kextract

SHORT = ("--method", "random", "--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "4")
DEAD = "the teacher gives the same answer to every image"


def distill(workshop: Path, folder: Path, change: Callable[[Any], Any]) -> Finished:
    """Teach with the workshop's teacher as plain weights of Keras, all kernels of it changed."""
    with h5py.File(workshop / "teacher.weights.h5") as ours:
        tensors: dict[str, Any] = {}
        ours["layers"].visititems(
            lambda name, item: (
                tensors.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    with h5py.File(folder / "changed.weights.h5", "w") as plain:
        for name, value in tensors.items():
            plain[f"layers/{name}"] = change(value) if name.endswith("vars/0") else value
    return kextract(
        *("distill", "changed.weights.h5", *SHORT, "--model", "lenet5"),
        *("--dataset", workshop / "shades.npz", "-o", "student.weights.h5"),
        cwd=folder,
    )


def test_a_dead_teacher_is_said_in_one_line_and_is_no_error(workshop: Path, tmp_path: Path) -> None:
    done = distill(workshop, tmp_path, lambda kernel: kernel * 0)
    assert done.code == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if DEAD in line] == [
        f"{DEAD}: it looks dead, and a student can learn nothing from it"
    ]
    assert "validation images are too few to judge by: each moves the accuracy by" in done.stderr


def test_a_teacher_whose_answers_overflow_is_refused_and_leaves_nothing(
    workshop: Path, tmp_path: Path
) -> None:
    refused = distill(workshop, tmp_path, lambda kernel: kernel * 0 + 1e38).refusal()
    assert "'changed.weights.h5': the weights are finite, but the logits" in refused
    assert [path.name for path in tmp_path.iterdir()] == ["changed.weights.h5"]
