"""A generator that has collapsed, or whose loss is no number, begins anew."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import NonFiniteError
from kextract.records import Note
from kextract.transfer.inversion import source as source_module
from kextract.transfer.inversion.source import Inversion
from tests.transfer.inversion.examples import CONFIG, RULES, followed, inversion

STEPS = CONFIG.steps_per_epoch


def remembered(source: Inversion) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in source.state().items()}


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
    assert source._synthesizer.draw()[0].std() > 0.01


def test_a_collapse_is_among_the_figures_and_only_then(soon_judged: None) -> None:
    healthy, ill = inversion(), inversion()
    paint_grey(ill)
    for source in (healthy, ill):
        list(followed(source))
    assert "collapsed" not in healthy.figures()
    assert ill.figures()["collapsed"] == 1


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

    def never(health: Any) -> bool:
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


def answered_as_requested(
    source: Inversion, shares: list[float], monkeypatch: pytest.MonkeyPatch
) -> list[bool]:
    """Go through an epoch for each of the shares; say after which ones a generator began anew."""
    monkeypatch.setattr(
        source._health, "of", lambda *_: {"entropy": 1.0, "diversity": 1.0, "answers/0": 1.0}
    )
    began_anew = []
    for epoch, share in enumerate(shares, start=1):
        measures = tf.constant([1.0, share, 1.0])
        monkeypatch.setattr(source._synthesizer, "_step", lambda *_, m=measures: m)
        list(followed(source, first=epoch))
        source.figures()
        began_anew.append(source._ill)
    return began_anew


def test_a_generator_that_no_longer_draws_what_is_requested_begins_anew(
    soon_judged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = [0.6, 0.3, 0.2, 0.2]
    found = answered_as_requested(inversion(), shares, monkeypatch)
    assert found == [False, False, True, False]


def test_a_generator_that_never_drew_what_was_requested_goes_on(
    soon_judged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images may be good: a deep teacher's statistics can outweigh what is requested."""
    found = answered_as_requested(inversion(), [0.1, 0.2, 0.1], monkeypatch)
    assert found == [False, False, False]


def test_a_generator_is_judged_by_its_requests_only_where_it_has_any(
    soon_judged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answered_as_requested(inversion(class_weight=0.0), [0.9, 0.0], monkeypatch)
    assert found == [False, False]


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
