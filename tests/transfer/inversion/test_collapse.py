"""A generator that has collapsed, or whose loss is no number, begins anew."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kextract.errors import NonFiniteError
from kextract.records import Note, Progress
from kextract.transfer.inversion import source as source_module
from kextract.transfer.inversion.health import Health
from kextract.transfer.inversion.source import Inversion
from kextract.transfer.inversion.synthesizer import Synthesizer
from tests.training.examples import SHAPE
from tests.transfer.inversion.examples import RULES, followed, inversion

CHANNELS = SHAPE[-1]


def remembered(source: Inversion) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in source.state().items()}


@pytest.fixture
def soon_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "ENOUGH_STEPS", 8)


def changed(source: Inversion, **values: Any) -> Inversion:
    """Let a source go on from its own state, some of which is another."""
    kept = {name: np.array(value) for name, value in source.state().items()}
    source.restore(kept | {name: np.array(value) for name, value in values.items()})
    return source


def painting_grey(source: Inversion) -> Inversion:
    """Make the generator draw one grey for everything: its last convolution gives 0.

    It does not learn otherwise, as its learning rate, the one number by itself, is 0 too.
    """
    zeros = {
        name: np.zeros_like(value)
        for name, value in source.state().items()
        if name.startswith("synthesizer/")
        and value.dtype == np.float32
        and (value.ndim == 0 or value.shape[-1] == CHANNELS)
    }
    return changed(source, **zeros)


def collapsed(source: Inversion) -> Inversion:
    """Let a source's generator draw nothing but grey in its first epoch."""
    painting_grey(source)
    list(followed(source))
    source.metrics()
    return source


def notes(events: Iterator[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_a_collapsed_generator_begins_anew_with_the_next_epoch(
    soon_judged: None, source: Inversion
) -> None:
    collapsed(source)
    events = list(source.refresh(2, 0))
    (note,) = notes(iter(events))
    assert note.startswith("epoch 2: the generator had collapsed")
    warm_up = [event.done for event in events if isinstance(event, Progress)]
    assert warm_up == list(range(1, RULES.warm_up + 1))
    assert source.samples(RULES.first_images).std() > 1


def test_a_collapse_is_among_the_figures(soon_judged: None, source: Inversion) -> None:
    list(followed(painting_grey(source)))
    assert source.metrics()["collapsed"] == 1


def test_the_figures_of_a_healthy_generator_know_no_collapse(
    soon_judged: None, source: Inversion
) -> None:
    list(followed(source))
    assert "collapsed" not in source.metrics()


def test_a_collapse_is_told_once(soon_judged: None, source: Inversion) -> None:
    collapsed(source)
    list(source.refresh(2, 0))
    assert notes(iter(source.refresh(2, 1))) == []


def test_the_bank_keeps_the_images_of_a_collapsed_generator(
    soon_judged: None, source: Inversion
) -> None:
    collapsed(source)
    list(source.refresh(2, 0))
    images = source.samples(2 * RULES.bank_size)
    assert len(images) == RULES.bank_size
    grey = (images == 128).all(axis=(1, 2, 3))
    assert grey.sum() == RULES.bank_size - RULES.first_images


def test_a_new_generator_is_not_blamed_for_the_images_of_the_one_before(
    soon_judged: None, source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Any] = []

    def never(health: Any) -> bool:
        looked_at.append(health)
        return False

    monkeypatch.setattr(source_module, "LOOKED_AT", RULES.new_images)
    monkeypatch.setattr(source_module, "is_collapsed", never)
    changed(collapsed(source), ill=1)
    list(followed(source, first=2))
    source.metrics()
    assert [health["diversity"] > 0.01 for health in looked_at] == [False, True]


def test_a_generator_that_has_not_learned_yet_has_not_collapsed(source: Inversion) -> None:
    """Fifty steps are more than the warm-up of five and a round of three."""
    assert notes(iter(collapsed(source).refresh(2, 0))) == []


def epochs_that_end_ill(
    source: Inversion, shares: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> list[bool]:
    """Go through an epoch for each of the shares that are answered as requested.

    The images themselves look well, and nothing is learnt. None where nothing was requested.
    """
    well = {"entropy": 1.0, "diversity": 1.0, "class_shares/0": 1.0}
    monkeypatch.setattr(source_module, "ENOUGH_STEPS", 0)
    monkeypatch.setattr(Health, "of", lambda *_: well)
    nothing = np.zeros((RULES.synthesis_batch_size, *source._bank.images.shape[1:]), np.float32)
    monkeypatch.setattr(Synthesizer, "learn", lambda *_: nothing)
    ill = []
    for epoch, share in enumerate(shares, start=1):
        monkeypatch.setattr(Synthesizer, "requested", lambda _, share=share: share)
        list(followed(source, first=epoch))
        ill.append("collapsed" in source.metrics())
    return ill


def test_a_generator_that_no_longer_draws_what_is_requested_begins_anew(
    source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = epochs_that_end_ill(source, [0.6, 0.3, 0.2, 0.2], monkeypatch)
    assert found == [False, False, True, False]


def test_a_generator_that_never_drew_what_was_requested_goes_on(
    source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images may be good: a deep teacher's statistics can outweigh what is requested."""
    assert epochs_that_end_ill(source, [0.1, 0.2, 0.1], monkeypatch) == [False, False, False]


def test_a_generator_is_judged_by_its_requests_only_where_it_has_any(
    source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert epochs_that_end_ill(source, [0.9, None], monkeypatch) == [False, False]


def test_an_epoch_without_a_step_is_judged_by_the_images_alone(soon_judged: None) -> None:
    rarely = changed(collapsed(inversion(round_updates=99, warm_up=9)), ill=0)
    list(followed(rarely, first=2))
    rarely.metrics()
    assert len(notes(iter(rarely.refresh(3, 0)))) == 1


def test_a_run_that_was_stopped_after_a_collapse_goes_on_to_the_same_end(
    soon_judged: None, source: Inversion
) -> None:
    other = changed(inversion(), **collapsed(source).state())
    told = [notes(followed(each, first=2)) for each in (source, other)]
    assert len(told[0]) == 1
    assert told[0] == told[1]
    assert source.metrics() == other.metrics()
    assert remembered(source) == remembered(other)


def failing(monkeypatch: pytest.MonkeyPatch, *at: int) -> list[int]:
    """Let the learning steps of these numbers, from 1 on, fail; return a list of all steps."""
    learn, made = Synthesizer.learn, list[int]()

    def sometimes(synthesizer: Synthesizer, weight: float) -> Any:
        made.append(len(made) + 1)
        if made[-1] in at:
            raise NonFiniteError(f"step {made[-1]}")
        return learn(synthesizer, weight)

    monkeypatch.setattr(Synthesizer, "learn", sometimes)
    return made


def test_a_loss_that_is_no_number_makes_the_generator_begin_anew(
    source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = failing(monkeypatch, 3)
    (note,) = notes(followed(source))
    assert note == "epoch 1: the generator had a loss that is not finite; a new one was begun"
    assert len(made) == 3 + RULES.warm_up + RULES.generator_steps


def test_a_second_one_in_the_same_epoch_stops_the_run(
    source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 3, 9)
    with pytest.raises(NonFiniteError, match="step 9"):
        list(followed(source))


def test_a_second_one_in_another_epoch_does_not(
    source: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 3, 13)
    told = notes(followed(source, epochs=2))
    assert [note[:8] for note in told] == ["epoch 1:", "epoch 2:"]


def test_a_generator_that_can_only_fail_stops_the_run() -> None:
    with pytest.raises(NonFiniteError, match="--generator-learning-rate"):
        list(followed(inversion(generator_learning_rate=1e38)))
