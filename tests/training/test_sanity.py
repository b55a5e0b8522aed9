from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.images import Images
from kextract.errors import CheckpointError
from kextract.models.architectures import build_model
from kextract.models.batch_norm import frozen
from kextract.storage import read_info
from kextract.storage.checkpoint import load_model
from kextract.training.evaluation import (
    check_tells_apart,
    diagnose_teacher,
    information,
    probe_logits,
)

ROOT = Path(__file__).parents[2]
PATH = Path("teacher.weights.h5")
SHAPE, CLASSES = (16, 16, 1), 4
BIASES = np.array([3.0, 1.0, 0.0, 2.0])
SOUND = np.eye(CLASSES)
"""What a teacher says of images that it tells apart."""


def doubt(model: Any, shape: tuple[int, int, int] = SHAPE, recipe: str = "corrected") -> str | None:
    classifier = frozen(model, batch_statistics=recipe == "article")
    return diagnose_teacher(probe_logits(classifier, shape), PATH, None, None)


def lenet(change: Any = None, layer: str = "logits") -> Any:
    """A sound network, whose kernel and bias of one layer are changed."""
    model = build_model("lenet5-half", SHAPE, CLASSES)
    if change:
        model.get_layer(layer).set_weights(change(*model.get_layer(layer).get_weights()))
    return model


@pytest.mark.parametrize("recipe", ["corrected", pytest.param("article", marks=pytest.mark.slow)])
def test_a_trained_teacher_is_not_doubted(recipe: str) -> None:
    """Although it gives the same class to all plain noise."""
    path = ROOT / "checkpoints" / "mnist-resnet11.weights.h5"
    info = read_info(path)
    assert info is not None
    model, _ = load_model(path, info, precision="float32")
    assert doubt(model, info.input_shape, recipe) is None


@pytest.mark.parametrize(("name", "classes"), [("lenet5", 1000), ("resnet11", 10)])
def test_an_untrained_network_is_not_called_dead(name: str, classes: int) -> None:
    assert doubt(build_model(name, SHAPE, classes)) is None


DEAD = {
    "without weights": ("logits", lambda kernel, bias: [kernel * 0, bias * 0]),
    "with nothing but a bias": ("logits", lambda kernel, bias: [kernel * 0, bias + BIASES]),
    "whose units never fire": ("dense_1", lambda kernel, bias: [kernel, bias - 1e3]),
    "with a huge bias": ("logits", lambda kernel, bias: [kernel, bias + 1e3 * BIASES]),
}


@pytest.mark.parametrize("how", DEAD)
def test_a_teacher_that_says_the_same_of_everything_is_called_dead(how: str) -> None:
    layer, change = DEAD[how]
    assert "same answer to every image" in (doubt(lenet(change, layer)) or "")


def test_answers_that_overflow_are_refused_with_the_file() -> None:
    def huge(kernel: Any, bias: Any) -> list[Any]:
        return [np.full_like(kernel, 1e38), bias]

    model = lenet(huge, "dense_0")
    model.get_layer("dense_1").set_weights(huge(*model.get_layer("dense_1").get_weights()))
    with pytest.raises(CheckpointError, match=r"'teacher\.weights\.h5': .*NaN or infinity"):
        doubt(model)


def by_images(predictions: Any, labels: Any) -> str | None:
    """What is said of a sound teacher that gives these classes to the validation images."""
    images = Images(np.zeros((len(labels), *SHAPE), np.uint8), np.asarray(labels))
    logits = np.eye(CLASSES)[predictions]
    return diagnose_teacher(SOUND, PATH, images, logits)


LABELS = np.arange(400) % CLASSES


def test_one_class_for_all_images_is_said_with_their_number() -> None:
    assert "same class to all 400 validation images" in (by_images(LABELS * 0, LABELS) or "")


def test_an_accuracy_near_chance_is_said_with_both_figures() -> None:
    right = np.arange(400) // CLASSES < 28
    said = by_images(np.where(right, LABELS, (LABELS + 1) % CLASSES), LABELS) or ""
    assert "right on 28.0% of the validation images, and guessing would be on 25.0%" in said


@pytest.mark.parametrize("share", [0.31, 1.0])
def test_an_accuracy_that_guessing_seldom_reaches_is_not_doubted(share: float) -> None:
    right = np.arange(400) // CLASSES < 100 * share
    assert by_images(np.where(right, LABELS, (LABELS + 1) % CLASSES), LABELS) is None


def test_information_is_that_of_classes_that_are_sure_and_even() -> None:
    assert information(np.eye(4) * 100) == pytest.approx(np.log(4))


HARDLY = np.array([[0.005, -0.005], [-0.005, 0.005]])
"""What one says of dark and bright images that hardly tells them apart."""


def test_one_that_hardly_moves_is_refused_with_what_to_try() -> None:
    with pytest.raises(CheckpointError) as caught:
        check_tells_apart(HARDLY, PATH, 3, "-1..1")
    line = str(caught.value)
    assert "'teacher.weights.h5': takes all images for nearly the same (confidence 0.50)" in line
    assert line.endswith("try --input-range with 0..255, 0..1, imagenet, caffe, per-image")
