import socket
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError
from tests.datasets.images import random_images, random_labels

X, Y = random_images(20, 32, 32, 3), random_labels(20, 10).astype(np.uint8)[:, None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "datasets"


def replace(monkeypatch: pytest.MonkeyPatch, name: str, load: Any) -> None:
    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", load)


def test_a_data_set_comes_through_keras_in_our_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    replace(monkeypatch, "cifar10", lambda: ((X, Y), (X[:5], Y[:5])))
    data = load_dataset("cifar10")
    np.testing.assert_array_equal(data.x_train, X)
    np.testing.assert_array_equal(data.y_train, Y[:, 0])
    assert (data.classes, data.class_names[0], data.flip) == (10, "airplane", True)


def test_the_download_is_locked_and_leaves_stdout_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def load() -> Any:
        sys.stdout.write("Downloading data 1/2 [=====>    ]\r")
        assert (cache / "kextract.lock").exists()
        assert socket.getdefaulttimeout() is not None
        return (X, Y), (X, Y)

    replace(monkeypatch, "cifar10", load)
    load_dataset("cifar10")
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_without_a_network_the_refusal_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Any:
        raise Exception("URL fetch failure on https://x.org:\nNone -- Name not known")

    replace(monkeypatch, "cifar10", load)
    with pytest.raises(DatasetError) as refusal:
        load_dataset("cifar10")
    message = str(refusal.value)
    assert message.startswith("cannot download 'cifar10' (URL fetch failure")
    assert "put cifar10.npz in a folder and pass --data-dir FOLDER or set KEXTRACT_DATA" in message
    assert "\n" not in message
