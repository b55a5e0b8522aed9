"""Checkpoints of networks whose architecture is not in the registry: the file describes them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError
from kextract.models.pruning import pruned
from kextract.storage import CheckpointInfo, read_info, write_checkpoint
from kextract.storage.checkpoint import load_model
from kextract.storage.info import OWN_ARCHITECTURE, prepare, write_metadata
from tests.storage.examples import INFO
from tests.training.examples import tiny_network

PIXELS = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype(np.float32)
OWN = replace(INFO, model=OWN_ARCHITECTURE, pooling="none", input_shape=(16, 16, 1), classes=3,
              class_names=())  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.weights.h5"


def info(path: Path) -> CheckpointInfo:
    found = read_info(path)
    assert found is not None
    return found


def described_as(path: Path, architecture: Any) -> None:
    """Let a checkpoint say something else of its network, with the hash that goes with it."""
    found = info(path)
    with h5py.File(path, "r+") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        del file["kextract"]
        write_metadata(file, prepare(replace(found, architecture=architecture)))


@pytest.mark.parametrize("made", [tiny_network, lambda: pruned(tiny_network(), 0.5, PIXELS)])
def test_the_network_is_built_again_from_the_file_alone(made: Any, path: Path) -> None:
    model = made()
    write_checkpoint(path, model, OWN)
    again, _ = load_model(path, info(path), precision="float32")
    np.testing.assert_allclose(again(PIXELS), model(PIXELS), rtol=1e-4, atol=1e-5)


def test_its_description_is_trusted_no_more_than_that_of_somebody_else_s_file(path: Path) -> None:
    write_checkpoint(path, tiny_network(), OWN)
    architecture: Any = info(path).architecture
    architecture["config"]["layers"][1]["class_name"] = "Lambda"
    described_as(path, architecture)
    with pytest.raises(CheckpointError, match=r"own\.weights\.h5': .*Lambda"):
        load_model(path, info(path), precision="float32")


def test_one_that_does_not_describe_it_is_refused(path: Path) -> None:
    write_checkpoint(path, tiny_network(), OWN)
    described_as(path, None)
    with pytest.raises(CheckpointError, match="too old to say what its network is like"):
        load_model(path, info(path), precision="float32")
