from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig, InversionConfig
from kextract.models.build import build_model
from kextract.models.frozen import frozen
from kextract.records import EpochRecord, Note, Progress
from kextract.training.student import distill
from kextract.transfer.inversion.source import NOT_FOR_THIS, Inversion
from kextract.transfer.inversion.synthesizer import Synthesizer
from kextract.transfer.source import SourceContext
from tests.training.examples import SMALL_INVERSION
from tests.transfer.inversion.examples import CONFIG, RULES, context, followed, inversion, network

STEPS = CONFIG.steps_per_epoch


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the generator is told to do, instead of doing it: weights of steps, and "draw"."""
    told: list[Any] = []
    monkeypatch.setattr(Synthesizer, "is_new", property(lambda _: "draw" not in told))
    size = RULES.synthesis_batch_size

    def learn(_: Synthesizer, weight: float) -> Any:
        told.append(weight)
        return np.full((size, 16, 16, 1), len(told) / 127.5 - 1, np.float32)

    def draw(_: Synthesizer) -> Any:
        told.append("draw")
        return np.ones((size, 16, 16, 1), np.float32), np.zeros(size, np.int32)

    monkeypatch.setattr(Synthesizer, "learn", learn)
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


def test_the_first_round_warms_up_and_the_others_come_when_they_are_due(
    calls: list[Any], source: Inversion
) -> None:
    """Every four updates, counted over epochs of six; 24 first images are two batches of 12."""
    expected = [(0, 0)] * 12
    expected[0], expected[4], expected[8] = (5, 2), (3, 0), (3, 0)
    assert rounds(source, calls) == expected


@pytest.mark.parametrize(
    ("new_images", "drawn", "kept"),
    # The sixth step is the first that is not of the warm-up; then comes the drawing, if any.
    [(12, 0, [9]), (13, 0, [8, 9]), (36, 0, [7, 8, 9]), (37, 1, [7, 8, 9, 255])],
)
def test_new_images_are_the_last_that_the_generator_learned_by_and_then_drawn_ones(
    calls: list[Any], new_images: int, drawn: int, kept: list[int]
) -> None:
    """Always whole batches, of 12."""
    source = inversion(new_images=new_images, first_images=1, bank_size=60)
    found = rounds(source, calls, epochs=1)
    assert [draws for _, draws in found] == [1, 0, 0, 0, drawn, 0]
    images = source._bank.images
    assert images[:: RULES.synthesis_batch_size, 0, 0, 0].tolist() == [255, *kept]


def test_the_adversarial_loss_begins_after_its_updates(calls: list[Any]) -> None:
    rounds(inversion(adversarial_weight=0.5, adversarial_after=8), calls)
    weights = [call for call in calls if call != "draw"]
    assert weights == [0.0] * (5 + 3) + [0.5] * 3


def test_an_adversarial_loss_that_begins_at_once_does(calls: list[Any]) -> None:
    rounds(inversion(adversarial_weight=0.5, adversarial_after=0), calls)
    assert set(calls) - {"draw"} == {0.5}


def test_the_bank_grows_to_its_size_and_no_further(source: Inversion) -> None:
    sizes = []
    for epoch in range(1, 4):
        list(followed(source, first=epoch))
        sizes.append(len(source._bank.images))
    assert sizes == [24 + 12, 48, 48]


def test_the_student_s_images_are_from_the_bank(source: Inversion) -> None:
    list(source.refresh(1, 0))
    batch = source.batch().numpy()
    assert batch.shape == (CONFIG.batch_size, 16, 16, 1)
    levels = np.rint((batch + 1) * 127.5).astype(np.uint8)
    for image in levels:
        assert (source._bank.images == image).all(axis=(1, 2, 3)).any()


def test_the_warm_up_tells_its_progress_and_later_rounds_are_silent(source: Inversion) -> None:
    events = list(followed(source))
    assert all(isinstance(event, Progress) for event in events)
    told = [(e.epoch, e.phase, e.done, e.total, e.images) for e in events]  # type: ignore[union-attr]
    size = RULES.synthesis_batch_size
    assert told == [(1, "inverting", n, 5, n * size) for n in range(1, 6)]


def test_progress_is_told_while_the_generator_learns(source: Inversion) -> None:
    events = iter(source.refresh(1, 0))
    next(events)
    assert source._synthesizer.steps == 1


def test_figures_tell_of_the_bank_and_of_the_generator(source: Inversion) -> None:
    list(followed(source))
    metrics = source.metrics()
    learned = {"generator_loss", "requested", "batch_norm_distance"}
    shares = {f"class_shares/{number}" for number in range(3)}
    assert set(metrics) == learned | shares | {"confidence", "entropy", "diversity"}
    assert sum(metrics[name] for name in shares) == pytest.approx(1.0)


def test_an_epoch_without_a_step_of_the_generator_tells_of_the_bank() -> None:
    source = inversion(round_updates=100)
    list(followed(source))
    source.metrics()
    assert list(followed(source, first=2)) == []
    shares = {f"class_shares/{number}" for number in range(3)}
    assert set(source.metrics()) == shares | {"confidence", "entropy", "diversity"}


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
    classifier = frozen(teacher, batch_statistics=False)
    source = Inversion(SourceContext(classifier, teacher, student, config))
    *_, last = distill(classifier, student, source, config, None, None)
    assert isinstance(last, EpochRecord)
    return last


@pytest.mark.parametrize(
    ("teacher", "student", "shape", "classes"),
    [
        pytest.param("lenet5", "lenet5-half", (16, 16, 1), 2, marks=pytest.mark.slow),
        pytest.param("lenet5", "resnet11", (17, 22, 1), 10, marks=pytest.mark.slow),
        ("tiny", "lenet5-half", (16, 16, 3), 100),
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
    assert sum(name.startswith("class_shares/") for name in record.details) == classes
    distance = record.details["batch_norm_distance"]
    assert distance == 0.0 if teacher == "lenet5" else distance > 0.0


@pytest.mark.parametrize(
    ("normalized", "weight", "told"),
    [(False, 1.0, 1), pytest.param(False, 0.0, 0, marks=pytest.mark.slow), (True, 1.0, 0)],
)
def test_a_teacher_that_has_no_statistics_to_be_near_to_is_told_of_once(
    normalized: bool, weight: float, told: int
) -> None:
    source = Inversion(context(network(normalized=normalized), batch_norm_weight=weight))
    notes = [event for event in followed(source, epochs=2) if isinstance(event, Note)]
    assert [note.text for note in notes] == [NOT_FOR_THIS] * told
