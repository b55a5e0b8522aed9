"""The rounds of a generator and its bank, and generators that fail or collapse and begin anew."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from kextract.errors import NonFiniteError
from kextract.methods.inversion import ENOUGH_STEPS, NOT_FOR_THIS, Inversion
from kextract.records import Event, Note, Progress
from tests.methods.generators import CONFIG, RULES, beginning_of, context, followed, network
from tests.training.examples import SHAPE, tiny_network

STEPS = CONFIG.steps_per_epoch
SIZE = RULES.synthesis_batch_size or 0


def inversion(**rules: Any) -> Inversion:
    """A method whose teacher has learned nothing, which is enough for most tests."""
    return Inversion(context(tiny_network(1), **rules))


@pytest.fixture(scope="module")
def shared() -> tuple[Inversion, dict[str, Any]]:
    """A method that tests share, since compiling takes longest, and its state when it was new."""
    method = inversion()
    return method, beginning_of(method)


@pytest.fixture
def method(shared: tuple[Inversion, dict[str, Any]]) -> Inversion:
    """The method by the usual rules, as if it were new."""
    method, beginning = shared
    if len(method.samples(1)):
        method.metrics()
    method.restore(beginning)
    method._failed_in = 0
    return method


def counts(method: Inversion) -> tuple[int, int]:
    """How many steps the generator has made, and how many other batches it has drawn."""
    steps, batches, _ = method.state()["synthesizer/counts"]
    return int(steps), int(batches - steps)


def changed(method: Inversion, **values: Any) -> Inversion:
    """Let a method continue from its own state with some other values."""
    method.restore(beginning_of(method) | {name: np.array(v) for name, v in values.items()})
    return method


def old_enough(method: Inversion, **values: Any) -> Inversion:
    """Let its generator have made as many steps as it takes to be judged."""
    _, *others = method.state()["synthesizer/counts"]
    return changed(method, **{"synthesizer/counts": [ENOUGH_STEPS, *others]}, **values)


def drawing_grey(method: Inversion) -> Inversion:
    """Make the generator draw one grey for everything: its last convolution gives 0.

    It does not learn otherwise, as its learning rate, the one number by itself, is 0 too.
    """
    zeros = {
        name: np.zeros_like(value)
        for name, value in method.state().items()
        if name.startswith("synthesizer/")
        and value.dtype == np.float32
        and (value.ndim == 0 or value.shape[-1] == SHAPE[-1])
    }
    return changed(method, **zeros)


def collapsed(method: Inversion) -> Inversion:
    """Let a method's generator draw nothing but grey in its first epoch, and be judged."""
    list(followed(drawing_grey(method)))
    assert old_enough(method).metrics()["collapsed"] == 1
    return method


def notes(events: Iterable[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_the_first_round_warms_up_and_the_others_come_when_they_are_due(method: Inversion) -> None:
    """Every four updates, counted over epochs of six; 24 first images are two batches of 12."""
    found, before = {}, counts(method)
    for update in range(2 * STEPS):
        list(method.refresh(1 + update // STEPS, update % STEPS))
        after = counts(method)
        if after != before:
            found[update] = (after[0] - before[0], after[1] - before[1])
        before = after
    assert found == {0: (5, 2), 4: (3, 0), 8: (3, 0)}


def test_the_adversarial_loss_begins_after_its_updates() -> None:
    weights = {"class_weight": 0.0, "batch_norm_weight": 0.0, "adversarial_weight": 0.5}
    method, losses = inversion(**weights, adversarial_after=8), []
    for epoch, step in ((1, 0), (1, 4), (2, 2)):
        list(method.refresh(epoch, step))
        losses.append(method.metrics()["generator_loss"])
    assert losses[:2] == [0.0, 0.0] and losses[2] < 0.0


def test_the_warm_up_yields_its_progress_and_later_rounds_are_silent(method: Inversion) -> None:
    events = iter(method.refresh(1, 0))
    first = next(events)
    assert counts(method)[0] == 1, "progress comes while the generator learns"
    progress = [first, *events, *followed(method, first=2)]
    assert all(isinstance(event, Progress) for event in progress)
    told = [(e.epoch, e.phase, e.done, e.total, e.images) for e in progress]  # type: ignore[union-attr]
    assert told == [(1, "inverting", n, 5, n * SIZE) for n in range(1, 6)]


def test_a_teacher_without_the_statistics_that_are_to_be_matched_is_noted() -> None:
    method = Inversion(context(network(normalized=False)))
    assert next(iter(method.refresh(1, 0))) == Note(NOT_FOR_THIS)


def test_a_collapsed_generator_begins_anew_with_the_next_epoch_and_the_bank_keeps_its_images(
    method: Inversion,
) -> None:
    changed(collapsed(method), followed=1)
    events = list(method.refresh(2, 0))
    (note,) = notes(events)
    assert note.startswith("epoch 2: the generator had collapsed")
    warm_up = [event.done for event in events if isinstance(event, Progress)]
    assert warm_up == list(range(1, RULES.warm_up + 1))
    assert notes(method.refresh(2, 1)) == []
    assert method.state()["followed"] == 0
    grey = (method.samples(99) == 128).all(axis=(1, 2, 3))
    assert grey.tolist() == [False] * RULES.first_images + [True] * (
        RULES.bank_size - RULES.first_images
    )


def test_a_generator_that_has_made_few_steps_has_not_collapsed(method: Inversion) -> None:
    list(followed(drawing_grey(method)))
    assert "collapsed" not in method.metrics()


def broken(method: Inversion) -> Inversion:
    """Let the next step of a method's generator fail."""
    kernel = method.state()["synthesizer/0"]
    return changed(method, **{"synthesizer/0": np.full_like(kernel, np.nan)})


def test_a_generator_fails_once_per_epoch_and_begins_anew(method: Inversion) -> None:
    list(method.refresh(1, 0))
    note = "epoch {}: the generator had a loss that is not finite; a new one was begun"
    assert notes(broken(method).refresh(1, 4)) == [note.format(1)]
    assert counts(method)[0] == RULES.warm_up
    assert notes(broken(method).refresh(2, 2)) == [note.format(2)]
    with pytest.raises(NonFiniteError, match="generator: try a smaller --generator-learning-rate"):
        list(broken(method).refresh(2, 2))
