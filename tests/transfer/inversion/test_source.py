from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.config import DistillConfig, InversionConfig
from kextract.errors import NonFiniteError
from kextract.models.build import build_model
from kextract.models.frozen import frozen
from kextract.records import EpochRecord, Note, Progress
from kextract.training.student import distill
from kextract.transfer.inversion import source as source_module
from kextract.transfer.inversion.source import Inversion
from kextract.transfer.inversion.synthesizer import Synthesizer
from kextract.transfer.source import Setting
from tests.training.examples import SMALL_INVERSION, tiny_network
from tests.transfer.inversion.examples import CONFIG, RULES, followed, setting

TEACHER = tiny_network(1)
STEPS = CONFIG.steps_per_epoch


def inversion(**rules: Any) -> Inversion:
    return Inversion(setting(TEACHER, **rules))


def remembered(source: Inversion) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in source.state().items()}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the generator is told to do, instead of doing it: weights of steps, and "draw"."""
    told: list[Any] = []
    monkeypatch.setattr(Synthesizer, "is_new", property(lambda _: "draw" not in told))
    monkeypatch.setattr(Synthesizer, "learn", lambda _, weight: told.append(weight))

    def draw(_: Synthesizer) -> Any:
        told.append("draw")
        return np.zeros((RULES.synthesis_batch_size, 16, 16, 1), np.float32)

    monkeypatch.setattr(Synthesizer, "draw", draw)
    return told


def rounds(source: Inversion, calls: list[Any], epochs: int = 2) -> list[tuple[int, int]]:
    """How many steps and draws come before each update."""
    found = []
    for epoch in range(1, epochs + 1):
        for step in range(STEPS):
            calls_before = len(calls)
            list(source.refresh(epoch, step))
            new = calls[calls_before:]
            found.append((len(new) - new.count("draw"), new.count("draw")))
    return found


def test_the_first_round_warms_up_and_the_others_come_when_they_are_due(calls: list[Any]) -> None:
    """Every four updates, counted over epochs of six; 24 first images are two batches of 12."""
    expected = [(0, 0)] * 12
    expected[0], expected[4], expected[8] = (5, 2), (3, 1), (3, 1)
    assert rounds(inversion(), calls) == expected


def test_images_come_in_whole_batches(calls: list[Any]) -> None:
    found = rounds(inversion(new_images=13, first_images=1), calls, epochs=1)
    assert [draws for _, draws in found] == [1, 0, 0, 0, 2, 0]


def test_the_adversarial_loss_begins_after_its_updates(calls: list[Any]) -> None:
    rounds(inversion(adversarial_weight=0.5, adversarial_after=8), calls)
    weights = [call for call in calls if call != "draw"]
    assert weights == [0.0] * (5 + 3) + [0.5] * 3


def test_an_adversarial_loss_that_begins_at_once_does(calls: list[Any]) -> None:
    rounds(inversion(adversarial_weight=0.5, adversarial_after=0), calls)
    assert set(calls) - {"draw"} == {0.5}


def test_the_bank_grows_to_its_size_and_no_further() -> None:
    source, sizes = inversion(), []
    for epoch in range(1, 4):
        list(followed(source, first=epoch))
        sizes.append(len(source._bank.images))
    assert sizes == [24 + 12, 48, 48]


def test_the_student_s_images_are_from_the_bank() -> None:
    source = inversion()
    list(source.refresh(1, 0))
    batch = source.batch().numpy()
    assert batch.shape == (CONFIG.batch_size, 16, 16, 1)
    levels = np.rint((batch + 1) * 127.5).astype(np.uint8)
    for image in levels:
        assert (source._bank.images == image).all(axis=(1, 2, 3)).any()


def test_the_warm_up_tells_its_progress_and_later_rounds_are_silent() -> None:
    events = list(followed(inversion()))
    assert all(isinstance(event, Progress) for event in events)
    told = [(e.epoch, e.phase, e.done, e.total, e.images) for e in events]  # type: ignore[union-attr]
    size = RULES.synthesis_batch_size
    assert told == [(1, "inverting", n, 5, n * size) for n in range(1, 6)]


def test_progress_is_told_while_the_generator_learns() -> None:
    source = inversion()
    events = iter(source.refresh(1, 0))
    next(events)
    assert source._synthesizer.steps == 1


def test_figures_tell_of_the_bank_and_of_the_generator() -> None:
    source = inversion()
    list(followed(source))
    figures = source.figures()
    learned = {"generator_loss", "requested", "batch_norm_distance"}
    shares = {f"answers/{number}" for number in range(3)}
    assert set(figures) == learned | shares | {"confidence", "entropy", "diversity"}
    assert sum(figures[name] for name in shares) == pytest.approx(1.0)


def test_an_epoch_without_a_step_of_the_generator_tells_of_the_bank() -> None:
    source = inversion(round_updates=100)
    list(followed(source))
    source.figures()
    assert list(followed(source, first=2)) == []
    shares = {f"answers/{number}" for number in range(3)}
    assert set(source.figures()) == shares | {"confidence", "entropy", "diversity"}


@pytest.fixture
def soon_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "ENOUGH_STEPS", 8)


def paint_grey(source: Inversion) -> None:
    """Make the generator draw one grey for everything: its last convolution gives 0."""
    last = [layer for layer in source._synthesizer._generator.layers if layer.weights][-1]
    last.set_weights([np.zeros_like(value) for value in last.get_weights()])
    source._synthesizer._optimizer.learning_rate.assign(0.0)


def collapsed(**rules: Any) -> Inversion:
    """A source whose generator has drawn nothing but grey in its first epoch."""
    source = inversion(**rules)
    paint_grey(source)
    list(followed(source))
    source.figures()
    return source


def notes(events: Iterator[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_a_collapsed_generator_begins_anew_with_the_next_epoch(soon_judged: None) -> None:
    source = collapsed()
    first = source.refresh(2, 0)
    (note,) = notes(iter(first))
    assert note.startswith("epoch 2: the generator had collapsed")
    assert source._synthesizer.steps == RULES.warm_up
    assert source._synthesizer.draw().std() > 0.01


def test_a_collapse_is_told_once(soon_judged: None) -> None:
    source = collapsed()
    list(source.refresh(2, 0))
    assert notes(iter(source.refresh(2, 1))) == []


def test_the_bank_keeps_the_images_of_a_collapsed_generator(soon_judged: None) -> None:
    source = collapsed()
    list(source.refresh(2, 0))
    assert len(source._bank.images) == 48
    assert (source._bank.images == 128).all(axis=(1, 2, 3)).sum() == 48 - RULES.first_images


def test_a_new_generator_is_not_blamed_for_the_images_of_the_one_before(
    soon_judged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Any] = []

    def never(health: Any, requested: Any) -> bool:
        looked_at.append(health)
        return False

    monkeypatch.setattr(source_module, "LOOKED_AT", RULES.new_images)
    monkeypatch.setattr(source_module, "is_collapsed", never)
    source = collapsed()
    source._ill = True
    list(followed(source, first=2))
    source.figures()
    assert [health["diversity"] > 0.01 for health in looked_at] == [False, True]


def test_a_generator_that_has_not_learned_yet_has_not_collapsed() -> None:
    """Fifty steps are more than the warm-up of five and a round of three."""
    assert notes(iter(collapsed().refresh(2, 0))) == []


@pytest.mark.parametrize(("class_weight", "expected"), [(1.0, True), (0.0, False)])
def test_a_generator_is_judged_by_its_requests_only_where_it_has_any(
    class_weight: float, expected: bool, soon_judged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = {"entropy": 1.0, "diversity": 1.0, **{f"answers/{n}": 0.1 for n in range(10)}}
    source = inversion(class_weight=class_weight)
    missed = tf.constant([1.0, 0.0, 1.0])
    monkeypatch.setattr(source._synthesizer, "_step", lambda *_: missed)
    monkeypatch.setattr(source._health, "of", lambda *_: dict(healthy))
    list(followed(source))
    source.figures()
    assert bool(notes(iter(source.refresh(2, 0)))) == expected


def test_an_epoch_without_a_step_is_judged_by_the_images_alone(soon_judged: None) -> None:
    source = inversion(round_updates=STEPS, warm_up=9)
    paint_grey(source)
    list(followed(source))
    source.figures()
    source._rules = replace(source._rules, round_updates=99)
    source._ill = False
    list(followed(source, first=2))
    source.figures()
    assert len(notes(iter(source.refresh(3, 0)))) == 1


def test_a_run_that_was_stopped_after_a_collapse_goes_on_to_the_same_end(
    soon_judged: None,
) -> None:
    source, other = collapsed(), inversion()
    other.restore({name: np.array(value) for name, value in source.state().items()})
    told = [notes(followed(each, first=2)) for each in (source, other)]
    assert len(told[0]) == 1
    assert told[0] == told[1]
    assert source.figures() == other.figures()
    assert remembered(source) == remembered(other)


def failing(source: Inversion, monkeypatch: pytest.MonkeyPatch, *at: int) -> None:
    """Let the learning steps of these numbers, from 1 on, come to no number."""
    made = 0
    step = source._synthesizer._step

    def sometimes(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        measures = step(*arguments)
        return measures * np.nan if made in at else measures

    monkeypatch.setattr(source._synthesizer, "_step", sometimes)


def test_a_loss_that_is_no_number_makes_the_generator_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = inversion()
    failing(source, monkeypatch, 3)
    (note,) = notes(followed(source))
    assert note == "epoch 1: the generator had a loss that is no number; a new one was begun"
    assert source._synthesizer.steps == RULES.warm_up + RULES.generator_steps


def test_a_second_one_in_the_same_epoch_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    source = inversion()
    failing(source, monkeypatch, 3, 9)
    with pytest.raises(NonFiniteError, match="--generator-learning-rate"):
        list(followed(source))


def test_a_second_one_in_another_epoch_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    source = inversion()
    failing(source, monkeypatch, 3, 13)
    assert [note[:8] for note in notes(followed(source, epochs=2))] == ["epoch 1:", "epoch 2:"]


def test_a_generator_that_can_only_fail_stops_the_run() -> None:
    with pytest.raises(NonFiniteError, match="--generator-learning-rate"):
        list(followed(inversion(generator_learning_rate=1e38)))


TINY_RULES = replace(SMALL_INVERSION, generator_steps=1)


def taught(teacher: Any, student: Any, rules: InversionConfig = TINY_RULES) -> EpochRecord:
    """One epoch with a bank, an adversarial loss and augmentation, and its record."""
    config = DistillConfig(
        method="inversion",
        epochs=1,
        steps_per_epoch=4,
        batch_size=4,
        shift=1,
        flip=True,
        precision="float32",
        inversion=rules,
    )
    answers = frozen(teacher, batch_statistics=False)
    source = Inversion(Setting(answers, teacher, student, config))
    *_, last = distill(answers, student, source, config, None, None)
    assert isinstance(last, EpochRecord)
    return last


@pytest.mark.parametrize(
    ("teacher", "student", "shape", "classes"),
    [
        ("lenet5", "lenet5-half", (16, 16, 1), 2),
        ("lenet5", "resnet11", (17, 22, 1), 10),
        ("resnet11", "lenet5", (16, 16, 3), 100),
    ],
)
def test_any_teacher_teaches_any_student(
    teacher: str, student: str, shape: tuple[int, int, int], classes: int
) -> None:
    models = (
        build_model(name, shape, classes, seed=n) for n, name in enumerate((teacher, student))
    )
    record = taught(*models)
    assert np.isfinite(record.train_loss or np.nan)
    assert sum(name.startswith("answers/") for name in record.details) == classes
    distance = record.details["batch_norm_distance"]
    assert distance == 0.0 if teacher == "lenet5" else distance > 0.0
