from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.datasets.images import Images
from kextract.errors import CheckpointError
from kextract.models.batch_norm import frozen
from kextract.models.build import build_model
from kextract.models.made_up_images import probe_images
from kextract.storage import read_info
from kextract.storage.checkpoint import load_model
from kextract.training.sanity import diagnose_teacher

ROOT = Path(__file__).parents[2]
PATH = Path("teacher.weights.h5")
SHAPE, CLASSES = (16, 16, 1), 4
BIASES = np.array([3.0, 1.0, 0.0, 2.0])


def doubt(model: Any, shape: tuple[int, int, int] = SHAPE, recipe: str = "corrected") -> str | None:
    classifier = frozen(model, batch_statistics=recipe == "article")
    return diagnose_teacher(classifier, PATH, shape, None, None)


def lenet(change: Any = None, layer: str = "logits") -> Any:
    """A sound network, whose kernel and bias of one layer are changed."""
    model = build_model("lenet5-half", SHAPE, CLASSES)
    if change:
        model.get_layer(layer).set_weights(change(*model.get_layer(layer).get_weights()))
    return model


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("strokes-resnet11", "corrected"),
        ("mnist-resnet11", "article"),
        pytest.param("strokes-resnet11", "article", marks=pytest.mark.slow),
        pytest.param("mnist-resnet11", "corrected", marks=pytest.mark.slow),
    ],
)
def test_a_trained_teacher_is_not_doubted(name: str, recipe: str) -> None:
    """Although it gives the same class to all plain noise."""
    path = ROOT / "checkpoints" / f"{name}.weights.h5"
    info = read_info(path)
    assert info is not None
    model, _ = load_model(path, info, precision="float32")
    assert doubt(model, info.input_shape, recipe) is None


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
@pytest.mark.parametrize("name", ["lenet5", "lenet5-half", "resnet11", "wrn-16-1"])
def test_an_untrained_network_is_not_called_dead(name: str, seed: int) -> None:
    assert doubt(build_model(name, SHAPE, 10, seed=seed)) is None


def test_a_thousand_classes_are_not_called_dead() -> None:
    assert doubt(build_model("lenet5", SHAPE, 1000, precision="bfloat16")) is None


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


@pytest.mark.parametrize("weight", [1e38, 1e30])
def test_answers_that_overflow_are_refused_with_the_file(weight: float) -> None:
    def huge(kernel: Any, bias: Any) -> list[Any]:
        return [np.full_like(kernel, weight), bias]

    model = lenet(huge, "dense_0")
    model.get_layer("dense_1").set_weights(huge(*model.get_layer("dense_1").get_weights()))
    with pytest.raises(CheckpointError, match=r"'teacher\.weights\.h5': .* NaN or infinity"):
        doubt(model)


def by_images(predictions: Any, labels: Any) -> str | None:
    """What is said of a sound teacher that gives these classes to the validation images."""
    images = Images(np.zeros((len(labels), *SHAPE), np.uint8), np.asarray(labels))
    logits = np.eye(CLASSES)[predictions]
    return diagnose_teacher(frozen(lenet(), batch_statistics=False), PATH, SHAPE, images, logits)


LABELS = np.arange(400) % CLASSES


def test_one_class_for_all_images_is_said_with_their_number() -> None:
    assert "same class to all 400 validation images" in (by_images(LABELS * 0, LABELS) or "")


def test_one_class_is_right_where_there_is_only_one() -> None:
    assert by_images(np.full(50, 2), np.full(50, 2)) is None


def test_an_accuracy_near_chance_is_said_with_both_figures() -> None:
    right = np.arange(400) // CLASSES < 28
    said = by_images(np.where(right, LABELS, (LABELS + 1) % CLASSES), LABELS) or ""
    assert "right on 28.0% of the validation images, and guessing would be on 25.0%" in said


@pytest.mark.parametrize("share", [0.31, 1.0])
def test_an_accuracy_that_guessing_seldom_reaches_is_not_doubted(share: float) -> None:
    right = np.arange(400) // CLASSES < 100 * share
    assert by_images(np.where(right, LABELS, (LABELS + 1) % CLASSES), LABELS) is None


def test_too_few_images_prove_nothing() -> None:
    assert by_images((LABELS[:8] + 1) % CLASSES, LABELS[:8]) is None


def test_answers_on_the_images_that_are_no_numbers_are_refused() -> None:
    images = Images(np.zeros((2, *SHAPE), np.uint8), np.array([0, 1]))
    logits = np.array([[0.0, 1, 2, 3], [0, 1, np.inf, 0]])
    with pytest.raises(CheckpointError, match=str(PATH)):
        diagnose_teacher(frozen(lenet(), batch_statistics=False), PATH, SHAPE, images, logits)


@pytest.mark.parametrize("shape", [(16, 16, 1), (17, 40, 3)])
def test_the_probes_are_many_and_always_the_same(shape: tuple[int, int, int]) -> None:
    probes = probe_images(shape)
    assert (probes.dtype.name, probes.shape[1:]) == ("uint8", shape)
    assert len({probe.tobytes() for probe in probes}) == len(probes)
    np.testing.assert_array_equal(probes, probe_images(shape))


def test_they_are_looked_at_a_few_at_a_time() -> None:
    """Large images would not fit into memory all at once, with what a network makes of them."""
    sizes = []

    def teacher(images: Any) -> Any:
        sizes.append(len(images))
        return tf.random.stateless_normal((len(images), CLASSES), [0, len(sizes)])

    assert diagnose_teacher(teacher, PATH, SHAPE, None, None) is None
    assert max(sizes) <= 16
