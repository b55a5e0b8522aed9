import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import NonFiniteError
from kextract.transfer.inversion.synthesizer import MEASURES, Synthesizer
from tests.training.examples import CLASSES, SHAPE, snapshot, tiny_network
from tests.transfer.inversion.examples import RULES, setting, taught_network


@pytest.fixture(scope="module")
def teacher() -> Any:
    return taught_network()


def trained(teacher: Any, steps: int, **options: Any) -> Synthesizer:
    synthesizer = Synthesizer(setting(teacher, **options))
    for _ in range(steps):
        synthesizer.learn(options.get("adversarial_weight", 0.0))
    return synthesizer


def remembered(synthesizer: Synthesizer) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in synthesizer.state().items()}


@pytest.fixture(scope="module")
def early_and_late(teacher: Any) -> tuple[dict[str, float], dict[str, float]]:
    synthesizer = trained(teacher, 5)
    early = synthesizer.figures()
    for _ in range(120):
        synthesizer.learn(0.0)
    synthesizer.figures()
    for _ in range(5):
        synthesizer.learn(0.0)
    return early, synthesizer.figures()


def test_learning_lowers_the_loss(early_and_late: Any) -> None:
    early, late = early_and_late
    assert late["generator_loss"] < 0.5 * early["generator_loss"]


def test_learning_brings_the_statistics_nearer_to_the_teacher_s(early_and_late: Any) -> None:
    early, late = early_and_late
    assert late["batch_norm_distance"] < 0.5 * early["batch_norm_distance"]


def test_learning_makes_images_that_are_answered_as_requested(early_and_late: Any) -> None:
    """Guessing would hit a third."""
    early, late = early_and_late
    assert early["requested"] < 0.7
    assert late["requested"] > 0.9


def test_figures_are_means_since_they_were_last_asked_for(early_and_late: Any) -> None:
    early, late = early_and_late
    assert set(early) == set(late) == set(MEASURES)


def test_the_loss_is_the_weighted_sum_of_what_is_lowered(teacher: Any) -> None:
    """A step's loss with both weights is that of the two alone, as its codes are the same."""
    parts = [
        trained(teacher, 1, class_weight=one, batch_norm_weight=other).figures()["generator_loss"]
        for one, other in ((1.0, 0.0), (0.0, 1.0), (2.0, 3.0))
    ]
    assert parts[2] == pytest.approx(2 * parts[0] + 3 * parts[1], rel=1e-4)


@pytest.fixture(scope="module")
def by_class_alone(teacher: Any) -> Any:
    return trained(teacher, 1, batch_norm_weight=0.0).draw()[0]


@pytest.mark.parametrize(
    "weight", ["batch_norm_weight", "balance_weight", "variation_weight", "adversarial_weight"]
)
def test_every_weight_moves_the_generator_elsewhere(
    teacher: Any, by_class_alone: Any, weight: str
) -> None:
    heavy = trained(teacher, 1, **{"batch_norm_weight": 0.0, weight: 50.0})
    assert (by_class_alone != heavy.draw()[0]).any()


def test_the_adversarial_loss_is_what_teacher_and_student_differ_in(teacher: Any) -> None:
    """A student that is its teacher leaves nothing to find, so the loss is the others' alone."""
    losses = [
        trained(teacher, 1, student=student, adversarial_weight=7.0).figures()["generator_loss"]
        for student in (teacher, tiny_network(9))
    ]
    alone = trained(teacher, 1, adversarial_weight=0.0).figures()["generator_loss"]
    assert losses[0] == pytest.approx(alone, rel=1e-4)
    assert losses[1] < alone


def test_neither_teacher_nor_student_is_changed(teacher: Any) -> None:
    student = tiny_network(9)
    before = snapshot(teacher), snapshot(student)
    trained(teacher, 3, student=student, adversarial_weight=1.0)
    assert (snapshot(teacher), snapshot(student)) == before


def test_every_variable_of_the_generator_learns(teacher: Any) -> None:
    synthesizer = trained(teacher, 0)
    variables = synthesizer._generator.trainable_variables
    before = [variable.numpy() for variable in variables]
    synthesizer.learn(0.0)
    moved = [(old != new.numpy()).any() for old, new in zip(before, variables, strict=True)]
    # A bias before a normalization changes nothing, so nothing tells it where to go.
    assert all(m for m, variable in zip(moved, variables, strict=True) if variable.ndim > 1)


def test_images_are_float32_pixels_in_batches_of_the_asked_size(teacher: Any) -> None:
    images = trained(teacher, 0).draw()[0]
    assert images.shape == (RULES.synthesis_batch_size, *SHAPE)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1


def test_every_draw_is_another_one(teacher: Any) -> None:
    synthesizer = trained(teacher, 0)
    assert (synthesizer.draw()[0] != synthesizer.draw()[0]).any()


def test_the_seed_decides_what_is_drawn(teacher: Any) -> None:
    first, same, other = (trained(teacher, 0, seed=seed).draw()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def requested_classes(synthesizer: Synthesizer, count: int) -> list[Any]:
    return [synthesizer._next_codes()[1].numpy() for _ in range(count)]


def test_a_batch_asks_for_all_classes_as_often_as_can_be(teacher: Any) -> None:
    for labels in requested_classes(trained(teacher, 0, synthesis_batch_size=8), 5):
        assert sorted(np.bincount(labels, minlength=CLASSES)) == [2, 3, 3]


def test_batches_smaller_than_the_classes_still_ask_every_second_one_for_all_classes(
    teacher: Any,
) -> None:
    """As where one step of learning and one batch of new images take turns."""
    asked = requested_classes(trained(teacher, 0, synthesis_batch_size=2), 40)[::2]
    assert set(np.concatenate(asked).tolist()) == set(range(CLASSES))


def test_a_new_one_has_made_no_step(teacher: Any) -> None:
    synthesizer = trained(teacher, 0)
    assert (synthesizer.steps, synthesizer.is_new) == (0, True)
    synthesizer.learn(0.0)
    assert (synthesizer.steps, synthesizer.is_new) == (1, False)


def test_a_new_one_has_no_figures(teacher: Any) -> None:
    assert trained(teacher, 0).figures() == {}
    assert trained(teacher, 0).requested() is None


def test_what_was_requested_is_judged_by_the_last_steps_only(
    teacher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesizer = trained(teacher, 0, generator_steps=2)
    hits = iter([0.0, 0.0, 0.5, 1.0])
    monkeypatch.setattr(
        synthesizer, "_step", lambda *_: tf.constant([1.0, next(hits), 1.0], tf.float32)
    )
    for _ in range(4):
        synthesizer.learn(0.0)
    assert synthesizer.requested() == pytest.approx(0.75)
    assert synthesizer.figures()["requested"] == pytest.approx(0.375)


def test_after_an_epoch_without_a_step_nothing_is_known_of_requests(teacher: Any) -> None:
    synthesizer = trained(teacher, 3)
    synthesizer.figures()
    assert (synthesizer.requested(), synthesizer.figures()) == (None, {})


def test_a_generator_that_is_not_asked_for_classes_is_not_judged_by_them(teacher: Any) -> None:
    synthesizer = trained(teacher, 3, class_weight=0.0)
    assert synthesizer.requested() is None
    assert "requested" not in synthesizer.figures()


def test_after_a_restart_the_optimizer_begins_anew_at_the_same_rate(teacher: Any) -> None:
    used, fresh = trained(teacher, 2), trained(teacher, 0)
    used.restart()
    assert used.is_new
    pairs = zip(used._optimizer.variables, fresh._optimizer.variables, strict=True)
    for mine, other in pairs:
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


def test_every_restart_begins_elsewhere_and_the_same_way_again(teacher: Any) -> None:
    def restarted(times: int) -> Any:
        synthesizer = trained(teacher, 0)
        for _ in range(times):
            synthesizer.restart()
        return synthesizer.state()["0"]

    np.testing.assert_array_equal(restarted(1), restarted(1))
    assert len({restarted(times).tobytes() for times in range(3)}) == 3


def test_it_goes_on_from_its_state_to_the_same_bits(teacher: Any) -> None:
    one, other = trained(teacher, 3, seed=4), trained(teacher, 1, seed=4)
    one.restart()
    one.learn(0.0)
    other.restore({name: np.array(value) for name, value in one.state().items()})
    for synthesizer in (one, other):
        synthesizer.learn(0.0)
    np.testing.assert_array_equal(one.draw()[0], other.draw()[0])
    assert remembered(one) == remembered(other)


def broken(teacher: Any) -> Synthesizer:
    return Synthesizer(setting(teacher, generator_learning_rate=1e38))


MESSAGE = re.escape("try a smaller --generator-learning-rate than 1e+38")


def test_a_step_that_is_no_number_is_refused_with_its_number(teacher: Any) -> None:
    synthesizer = broken(teacher)
    synthesizer.learn(0.0)
    with pytest.raises(NonFiniteError, match=f"step 2 of the generator: {MESSAGE}"):
        synthesizer.learn(0.0)


def test_images_that_are_no_numbers_are_refused(teacher: Any) -> None:
    synthesizer = broken(teacher)
    synthesizer.learn(0.0)
    with pytest.raises(NonFiniteError, match=MESSAGE):
        synthesizer.draw()
