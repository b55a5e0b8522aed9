from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract import losses
from kextract.methods.generator import Doubling, Synthesizer, build_generator, latent_codes
from kextract.models.batch_norm import batch_moments
from kextract.models.statistics import logits_and_inputs
from tests.methods.generators import beginning_of, context, taught_network
from tests.training.examples import CLASSES, snapshot, tiny_network

LATENT = 5
SEED = tf.constant([1, 2])


def generator(shape: tuple[int, int, int] = (16, 16, 1), **changes: Any) -> Any:
    options = {"latent_size": LATENT, "channels": 2, "precision": "float32", "seed": 0, **changes}
    return build_generator(shape, CLASSES, **options)


def codes(labels: Any, seed: tf.Tensor = SEED) -> Any:
    return latent_codes(tf.constant(labels), LATENT, CLASSES, seed)


def images_of(model: Any, labels: Any = (0, 1, 2, 0)) -> Any:
    return model(codes(list(labels)), training=True).numpy()


@pytest.mark.parametrize("shape", [(28, 28, 1), (17, 30, 3)], ids=str)
def test_images_have_the_shape_that_was_asked_for(shape: tuple[int, int, int]) -> None:
    model = generator(shape)
    assert model.output_shape == (None, *shape)
    assert images_of(model).shape == (4, *shape)


def test_the_noise_follows_from_the_seed_alone() -> None:
    first, same = codes([0, 1]), codes([2, 2])
    other = codes([0, 1], seed=tf.constant([1, 3]))
    np.testing.assert_array_equal(first[:, :LATENT], same[:, :LATENT])
    assert (first[:, :LATENT].numpy() != other[:, :LATENT].numpy()).all()


def test_a_doubling_is_kerass_upsampling_with_its_gradient() -> None:
    random = np.random.default_rng(0)
    features = tf.constant(random.normal(size=(2, 3, 4, 5)).astype(np.float32))
    of_doubled = tf.constant(random.normal(size=(2, 6, 8, 5)).astype(np.float32))
    found = []
    for layer in (Doubling(), keras.layers.UpSampling2D()):
        with tf.GradientTape() as tape:
            tape.watch(features)
            doubled = layer(features)
        found.append((doubled, tape.gradient(doubled, features, of_doubled)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def teacher() -> Any:
    return taught_network()


def trained(teacher: Any, steps: int, **options: Any) -> Synthesizer:
    synthesizer = Synthesizer(context(teacher, **options))
    for _ in range(steps):
        synthesizer.learn(options.get("adversarial_weight", 0.0))
    return synthesizer


@pytest.fixture(scope="module")
def shared(teacher: Any) -> tuple[Synthesizer, dict[str, Any]]:
    """A synthesizer that tests share, and what it remembered when it was new."""
    synthesizer = trained(teacher, 0)
    return synthesizer, beginning_of(synthesizer)


@pytest.fixture
def synthesizer(shared: tuple[Synthesizer, dict[str, Any]]) -> Synthesizer:
    """One by the usual rules, which does as a new one does."""
    synthesizer, beginning = shared
    synthesizer.restore(beginning)
    synthesizer.metrics()
    return synthesizer


def remembered(synthesizer: Synthesizer) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in synthesizer.state().items()}


@pytest.fixture(scope="module")
def early_and_late(
    shared: tuple[Synthesizer, dict[str, Any]],
) -> tuple[dict[str, float], dict[str, float]]:
    synthesizer, beginning = shared
    synthesizer.restore(beginning)
    synthesizer.metrics()
    for _ in range(5):
        synthesizer.learn(0.0)
    early = synthesizer.metrics()
    for _ in range(120):
        synthesizer.learn(0.0)
    synthesizer.metrics()
    for _ in range(5):
        synthesizer.learn(0.0)
    return early, synthesizer.metrics()


@pytest.mark.parametrize("metric", ["generator_loss", "batch_norm_distance"])
def test_learning_lowers_the_loss_and_the_distance_of_the_statistics(
    early_and_late: Any, metric: str
) -> None:
    early, late = early_and_late
    assert late[metric] < 0.5 * early[metric]


def test_learning_makes_images_that_are_predicted_as_requested(early_and_late: Any) -> None:
    """Guessing would hit a third."""
    early, late = early_and_late
    assert early["requested"] < 0.7
    assert late["requested"] > 0.9


def first_loss(teacher: Any, **options: Any) -> float:
    return trained(teacher, 1, **options).metrics()["generator_loss"]


def first_images(teacher: Any) -> tuple[Any, Any]:
    """Return the images and classes of a first step: a draw in its place has the same codes."""
    return trained(teacher, 0).draw()


def outputs(model: Any, images: Any) -> Any:
    return model(images, training=False).numpy()


def test_the_loss_is_the_sum_of_its_parts_by_their_weights(teacher: Any) -> None:
    """What each part is in numbers is held where losses are tested."""
    images, labels = first_images(teacher)
    logits, ((layer, features),) = logits_and_inputs(teacher, tf.constant(images))
    stored = (layer.moving_mean, layer.moving_variance)
    parts = {
        "class_weight": losses.cross_entropy(labels, logits),
        "batch_norm_weight": losses.statistics_distance([batch_moments(features)], [stored]),
        "balance_weight": losses.information_entropy_loss(logits),
        "tv_weight": losses.total_variation(images),
    }
    weights = {name: 2.0 + place for place, name in enumerate(parts)}
    expected = sum(weights[name] * float(part) for name, part in parts.items())
    assert first_loss(teacher, **weights) == pytest.approx(expected, rel=1e-5)


def test_the_adversarial_loss_is_the_disagreement_on_what_the_student_is_shown(
    teacher: Any,
) -> None:
    """Which are the first of the images; neither teacher nor student is changed by it."""
    student, (images, labels) = tiny_network(9), first_images(teacher)
    before = snapshot(teacher), snapshot(student)
    shown = [outputs(model, images[: len(images) // 2]) for model in (teacher, student)]
    agreed = shown[0].argmax(axis=1) == shown[1].argmax(axis=1)
    assert 0 < agreed.sum() < len(agreed)

    rules = {"batch_norm_weight": 0.0, "adversarial_weight": 7.0, "adversarial_share": 0.5}
    loss = first_loss(teacher, student=student, **rules)

    found = losses.disagreement(losses.distance("kl", 4.0)(*shown), *shown)
    expected = losses.cross_entropy(labels, outputs(teacher, images)) - 7 * found
    assert loss == pytest.approx(float(expected), rel=1e-4)
    assert (snapshot(teacher), snapshot(student)) == before


def requested_classes(synthesizer: Synthesizer, count: int) -> list[Any]:
    return [synthesizer.draw()[1] for _ in range(count)]


def test_batches_smaller_than_the_classes_still_ask_every_second_one_for_all_classes(
    teacher: Any,
) -> None:
    """As where one step of learning and one batch of new images take turns."""
    asked = requested_classes(trained(teacher, 0, synthesis_batch_size=2), 40)[::2]
    assert set(np.concatenate(asked).tolist()) == set(range(CLASSES))


def test_every_restart_begins_elsewhere_and_the_same_way_again(synthesizer: Synthesizer) -> None:
    beginning = beginning_of(synthesizer)

    def restarted(times: int) -> Any:
        synthesizer.restore(beginning)
        for _ in range(times):
            synthesizer.restart()
        return np.array(synthesizer.state()["0"])

    np.testing.assert_array_equal(restarted(1), restarted(1))
    assert len({restarted(times).tobytes() for times in range(3)}) == 3
