"""Small data sets and checkpoints that the commands are tried on."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.program import kextract
from tests.foreign.keras.examples import save


def write_images(
    path: Path, *, side: int = 16, channels: int = 1, classes: int = 3, images: int = 60
) -> Path:
    """Write an .npz data set whose classes differ in brightness, so that they can be learnt."""
    generator = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "test"):
        labels = np.arange(images) % classes
        noise = generator.integers(0, 40, (images, side, side, channels))
        arrays[f"x_{part}"] = (noise + 80 * labels[:, None, None, None]).clip(0, 255).astype("u1")
        arrays[f"y_{part}"] = labels
    np.savez(path, allow_pickle=False, **arrays)
    return path


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory, tensorflow: object) -> Path:
    """A file `own.keras` with the network for those images that takes the least time to compile."""
    import keras

    layers = [keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    return save(keras.Sequential(layers), tmp_path_factory.mktemp("network") / "own.keras")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set `shades.npz` and a teacher of it, `teacher.weights.h5`."""
    folder = tmp_path_factory.mktemp("workshop")
    write_images(folder / "shades.npz")
    made = kextract(
        *("train-teacher", "--dataset", "shades.npz", "--model", "lenet5", "--epochs", "5"),
        *("--batch-size", "8", "--patience", "0"),
        *("--output", "teacher.weights.h5", "--precision", "float32"),
        cwd=folder,
    )
    assert made.code == 0, made.stderr
    return folder


@pytest.fixture
def bench(workshop: Path, network: Path, tmp_path: Path) -> Path:
    """A folder of its own with the files of both, and a folder for outputs."""
    for path in (network, workshop / "shades.npz", workshop / "teacher.weights.h5"):
        shutil.copy(path, tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path
