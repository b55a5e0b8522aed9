import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from kextract.errors import CheckpointError, NonFiniteError, StorageError
from kextract.storage import load_weights, model_sha256, read_info, write_checkpoint
from tests.storage.examples import INFO, info, small_model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.weights.h5"


@contextmanager
def changed(path: Path) -> Iterator[Any]:
    with h5py.File(path, "r+") as file:
        yield file


def test_what_was_written_is_read_back(path: Path) -> None:
    written = write_checkpoint(path, small_model(), INFO)
    assert read_info(path) == written
    given = replace(
        written,
        schema=0,
        kextract_version="",
        keras_version="",
        tensorflow_version="",
        sha256="",
        created="",
    )
    assert given == INFO


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_what_keras_saves_is_read_and_its_optimizer_is_ignored(path: Path) -> None:
    model = small_model()
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save_weights(path)
    with h5py.File(path) as file:
        assert "optimizer" in file
    assert load_weights(path, small_model(seed=2)) == model_sha256(model)


def test_weights_that_hold_a_nan_are_not_written(path: Path) -> None:
    model = small_model()
    model.get_layer("dense").bias.assign([0.0, np.nan, 0.0])
    with pytest.raises(NonFiniteError, match="NaN"):
        write_checkpoint(path, model, INFO)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (TypeError, {"config": {"x": object()}}),
        (ValueError, {"config": {"x": float("nan")}}),
        (ValueError, {"kind": "pupil"}),
    ],
)
def test_a_description_that_could_not_be_read_is_not_written(
    path: Path, error: type[Exception], changes: dict[str, Any]
) -> None:
    with pytest.raises(error):
        write_checkpoint(path, small_model(), info(**changes))
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("limit", [0, 9_000])
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(path: Path, limit: int) -> None:
    old = write_checkpoint(path, small_model(seed=1), INFO)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write '.*model\.weights\.h5'") as caught:
            write_checkpoint(path, small_model(seed=2), INFO, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(caught.value)
    assert read_info(path) == old
    # HDF5 that met a full disk used to crash the process when it was used again.
    write_checkpoint(path.with_name("next.weights.h5"), small_model(), INFO)
    path.with_name("next.weights.h5").unlink()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_of_another_architecture_leaves_the_model_as_it_was(path: Path) -> None:
    write_checkpoint(path, small_model(seed=1), INFO)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3, name="conv2d")(image)
    other = keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    before = model_sha256(other)
    with pytest.raises(CheckpointError, match="unknown 'layers/batch_normalization/vars/0'"):
        load_weights(path, other)
    assert model_sha256(other) == before


def test_one_bad_tensor_at_the_end_leaves_the_model_as_it_was(path: Path) -> None:
    write_checkpoint(path, small_model(seed=1), INFO)
    with changed(path) as file:
        file["layers/dense/vars/1"][...] = np.nan
    model = small_model(seed=2)
    before = model_sha256(model)
    with pytest.raises(CheckpointError, match="'layers/dense/vars/1' holds a NaN"):
        load_weights(path, model)
    assert model_sha256(model) == before


def test_changed_tensors_do_not_match_the_hash(path: Path) -> None:
    write_checkpoint(path, small_model(), INFO)
    with changed(path) as file:
        file["layers/dense/vars/1"][0] += 1
    with pytest.raises(CheckpointError, match="do not match the 'sha256'"):
        load_weights(path, small_model())
