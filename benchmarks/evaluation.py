"""`kextract evaluate` takes the forward passes and a few seconds.

uv run python -m benchmarks.evaluation [--rounds N] [--threads N] [--clock wall|processor]

A checkpoint of a resnet11 is measured on 10,000 made-up images, 28x28x1, in float32, by the whole
command in a process of its own, beside the forward passes in this one, and TensorFlow's start.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import Timed, begin, compare

IMAGES = 10_000
SHAPE = (28, 28, 1)


def command(*arguments: str, folder: Path, threads: int | None) -> Timed:
    """Run Python with these arguments in a process of its own."""
    bound = {} if threads is None else {"TF_NUM_INTRAOP_THREADS": f"{threads}"}

    def run() -> None:
        subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd()), **bound},
            check=True,
            capture_output=True,
        )

    return run


def kextract(*arguments: str, folder: Path, threads: int | None) -> Timed:
    """Run a command of kextract in a process of its own."""
    chosen = [] if threads is None else ["--threads", f"{threads}"]
    return command("-m", "kextract", *arguments, *chosen, folder=folder, threads=threads)


def forward_passes(pixels: np.ndarray) -> Timed:
    """Ask a resnet11 about all images."""
    from kextract.models.architectures import build_model
    from kextract.training.evaluation import Predictor

    predictor = Predictor(build_model("resnet11", SHAPE, 10))
    return lambda: predictor.logits(pixels)


def main() -> None:
    """Print the table."""
    options = begin(__doc__, rounds=3)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (IMAGES, *SHAPE)).astype(np.uint8)
    labels = random.integers(0, 10, IMAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "made-up.npz",
            x_train=pixels[:200],
            y_train=labels[:200],
            x_test=pixels,
            y_test=labels,
        )
        train = kextract(
            *("train-teacher", "--dataset", "made-up.npz", "--epochs", "1"),
            *("--format", "quiet", "--output", "teacher.weights.h5"),
            folder=folder,
            threads=options.threads,
        )
        train()
        start = "from kextract import runtime; runtime.start()"
        contenders = {
            "the command": kextract(
                *("evaluate", "teacher.weights.h5", "--dataset", "made-up.npz"),
                *("--precision", "float32"),
                folder=folder,
                threads=options.threads,
            ),
            "the forward passes alone": forward_passes(pixels),
            "TensorFlow's start alone": command(
                "-c", start, folder=folder, threads=options.threads
            ),
        }
        compare(f"evaluating {IMAGES:,} images", contenders, options)


if __name__ == "__main__":
    main()
