"""Teachers of labels that are each on their own: matched, measured, asked and exported as such."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kextract
from kextract.datasets.images import scale
from kextract.errors import RequestError

SIDE, LABELS = 16, 3
QUICK: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 4, "threads": 1}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def network(activation: str | None = "sigmoid") -> Any:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Flatten(),
            layers.Dense(LABELS, activation=activation, kernel_initializer="he_normal"),
        ],
        name="labels",
    )


IMAGES = np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, 1), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one class per image, and the network as .keras and as .onnx."""
    folder = tmp_path_factory.mktemp("labels")
    y = np.arange(40) % LABELS
    np.savez(folder / "data.npz", x_train=IMAGES, y_train=y, x_test=IMAGES, y_test=y)
    network().save(folder / "labels.keras")
    kextract.export(network(), folder / "labels.onnx", threads=1)
    return folder


def sigmoids(model: Any = None) -> Any:
    return np.asarray((model or network())(scale(IMAGES), training=False))


@pytest.mark.parametrize("name", ["memory", "labels.onnx"])
def test_a_student_is_measured_by_label_and_exported_with_sigmoids(
    folder: Path, name: str, tmp_path: Path
) -> None:
    teacher = network() if name == "memory" else folder / name
    options = QUICK | {"method": "random", "student": network(None)}
    run = kextract.distill(teacher, **options, dataset=str(folder / "data.npz"))
    target, found = sigmoids() > 0.5, sigmoids(run.model) > 0
    marks = np.eye(LABELS)[np.arange(40) % LABELS]
    assert run.info.test["agreement"] == pytest.approx((target == found).mean())
    assert run.info.test["accuracy"] == pytest.approx((found == marks).mean())
    run.save(tmp_path / "student.weights.h5")
    report = kextract.export(tmp_path / "student.weights.h5", tmp_path / "student.keras")
    assert report.outputs == "sigmoids"
    written = keras.models.load_model(tmp_path / "student.keras")
    expected = 1 / (1 + np.exp(-sigmoids(run.model)))
    np.testing.assert_allclose(sigmoids(written), expected, atol=1e-5)


def test_accuracy_and_agreement_are_counted_for_each_label(folder: Path) -> None:
    data = str(folder / "data.npz")
    with pytest.warns(UserWarning, match="each of its 3 labels on its own"):
        (result,) = kextract.evaluate(
            folder / "labels.onnx",
            against=folder / "labels.keras",
            dataset=data,
            input_range="-1,1",
        )
    right = (sigmoids() > 0.5) == np.eye(LABELS)[np.arange(40) % LABELS]
    assert result.accuracy == pytest.approx(right.mean())
    assert result.agreement == 1
    expected = [(14, right[:, 0].mean()), (13, right[:, 1].mean()), (13, right[:, 2].mean())]
    for (_, images, accuracy), wanted in zip(result.per_class, expected, strict=True):
        assert (images, accuracy) == pytest.approx(wanted)


def test_labels_are_not_compared_with_classes(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"--against 'labels'.*gives an image one class"):
        kextract.evaluate(
            folder / "labels.keras", against=network(None), dataset=str(folder / "data.npz")
        )


def test_labels_of_a_teacher_that_is_asked_are_learned_as_they_are(
    folder: Path, tmp_path: Path
) -> None:
    run = kextract.distill(
        folder / "labels.onnx",
        network(None),
        **QUICK
        | {"epochs": 2, "access": "probabilities", "query_budget": 30, "query_rounds": 1}
        | {"scout_updates": 2},
        ledger=tmp_path / "x.ledger.db",
        dataset=str(folder / "data.npz"),
    )
    assert run.info.config["teacher_outputs"] == "sigmoids"
    assert run.info.test["accuracy"] == pytest.approx(
        ((sigmoids(run.model) > 0) == np.eye(LABELS)[np.arange(40) % LABELS]).mean()
    )
