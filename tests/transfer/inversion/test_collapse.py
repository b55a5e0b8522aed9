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


def collapsed(**rules: Any) -> Inversion:
    """A source whose generator has drawn nothing but grey in its first epoch."""
    source = painting_grey(inversion(**rules))
    list(followed(source))
    source.metrics()
    return source


def notes(events: Iterator[Any]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_a_collapsed_generator_begins_anew_with_the_next_epoch(soon_judged: None) -> None:
    source = collapsed()
    events = list(source.refresh(2, 0))
    (note,) = notes(iter(events))
    assert note.startswith("epoch 2: the generator had collapsed")
    warm_up = [event.done for event in events if isinstance(event, Progress)]
    assert warm_up == list(range(1, RULES.warm_up + 1))
    assert source.samples(RULES.first_images).std() > 1


def test_a_collapse_is_among_the_figures_and_only_then(soon_judged: None) -> None:
    healthy, ill = inversion(), painting_grey(inversion())
    for source in (healthy, ill):
        list(followed(source))
    assert "collapsed" not in healthy.metrics()
    assert ill.metrics()["collapsed"] == 1


def test_a_collapse_is_told_once(soon_judged: None) -> None:
    source = collapsed()
    list(source.refresh(2, 0))
    assert notes(iter(source.refresh(2, 1))) == []


def test_the_bank_keeps_the_images_of_a_collapsed_generator(soon_judged: None) -> None:
    source = collapsed()
    list(source.refresh(2, 0))
    images = source.samples(2 * RULES.bank_size)
    assert len(images) == RULES.bank_size
    grey = (images == 128).all(axis=(1, 2, 3))
    assert grey.sum() == RULES.bank_size - RULES.first_images


def test_a_new_generator_is_not_blamed_for_the_images_of_the_one_before(
    soon_judged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Any] = []

    def never(health: Any) -> bool:
        looked_at.append(health)
        return False

    monkeypatch.setattr(source_module, "LOOKED_AT", RULES.new_images)
    monkeypatch.setattr(source_module, "is_collapsed", never)
    source = changed(collapsed(), ill=1)
    list(followed(source, first=2))
    source.metrics()
    assert [health["diversity"] > 0.01 for health in looked_at] == [False, True]


def test_a_generator_that_has_not_learned_yet_has_not_collapsed() -> None:
    """Fifty steps are more than the warm-up of five and a round of three."""
    assert notes(iter(collapsed().refresh(2, 0))) == []


def epochs_that_end_ill(shares: list[float | None], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Go through an epoch for each of the shares that are answered as requested.

    The images themselves look well, and nothing is learnt. None where nothing was requested.
    """
    well = {"entropy": 1.0, "diversity": 1.0, "class_shares/0": 1.0}
    monkeypatch.setattr(source_module, "ENOUGH_STEPS", 0)
    monkeypatch.setattr(Health, "of", lambda *_: well)
    monkeypatch.setattr(Synthesizer, "learn", lambda *_: None)
    source, ill = inversion(), []
    for epoch, share in enumerate(shares, start=1):
        monkeypatch.setattr(Synthesizer, "requested", lambda _, share=share: share)
        list(followed(source, first=epoch))
        ill.append("collapsed" in source.metrics())
    return ill


def test_a_generator_that_no_longer_draws_what_is_requested_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = epochs_that_end_ill([0.6, 0.3, 0.2, 0.2], monkeypatch)
    assert found == [False, False, True, False]


def test_a_generator_that_never_drew_what_was_requested_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its images may be good: a deep teacher's statistics can outweigh what is requested."""
    assert epochs_that_end_ill([0.1, 0.2, 0.1], monkeypatch) == [False, False, False]


def test_a_generator_is_judged_by_its_requests_only_where_it_has_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert epochs_that_end_ill([0.9, None], monkeypatch) == [False, False]


def test_an_epoch_without_a_step_is_judged_by_the_images_alone(soon_judged: None) -> None:
    rarely = inversion(round_updates=99, warm_up=9)
    rarely.restore(
        {name: np.array(value) for name, value in collapsed(warm_up=9).state().items()}
        | {"ill": np.array(0)}
    )
    list(followed(rarely, first=2))
    rarely.metrics()
    assert len(notes(iter(rarely.refresh(3, 0)))) == 1


def test_a_run_that_was_stopped_after_a_collapse_goes_on_to_the_same_end(
    soon_judged: None,
) -> None:
    source, other = collapsed(), inversion()
    other.restore({name: np.array(value) for name, value in source.state().items()})
    told = [notes(followed(each, first=2)) for each in (source, other)]
    assert len(told[0]) == 1
    assert told[0] == told[1]
    assert source.metrics() == other.metrics()
    assert remembered(source) == remembered(other)


def failing(monkeypatch: pytest.MonkeyPatch, *at: int) -> list[int]:
    """Let the learning steps of these numbers, from 1 on, fail; return a list of all steps."""
    learn, made = Synthesizer.learn, list[int]()

    def sometimes(synthesizer: Synthesizer, weight: float) -> None:
        made.append(len(made) + 1)
        if made[-1] in at:
            raise NonFiniteError(f"step {made[-1]}")
        learn(synthesizer, weight)

    monkeypatch.setattr(Synthesizer, "learn", sometimes)
    return made


def test_a_loss_that_is_no_number_makes_the_generator_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = failing(monkeypatch, 3)
    (note,) = notes(followed(inversion()))
    assert note == "epoch 1: the generator had a loss that is not finite; a new one was begun"
    assert len(made) == 3 + RULES.warm_up + RULES.generator_steps


def test_a_second_one_in_the_same_epoch_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, 3, 9)
    with pytest.raises(NonFiniteError, match="step 9"):
        list(followed(inversion()))


def test_a_second_one_in_another_epoch_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, 3, 13)
    told = notes(followed(inversion(), epochs=2))
    assert [note[:8] for note in told] == ["epoch 1:", "epoch 2:"]


def test_a_generator_that_can_only_fail_stops_the_run() -> None:
    with pytest.raises(NonFiniteError, match="--generator-learning-rate"):
        list(followed(inversion(generator_learning_rate=1e38)))
