from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kextract.config import DistillConfig
from kextract.datasets.images import scale
from kextract.errors import RequestError
from kextract.methods.base import MethodContext
from kextract.methods.inversion import Synthesized, check_losses, synthesize_classes
from kextract.models.batch_norm import frozen
from kextract.records import Event, Note
from tests.common import finished
from tests.methods.generators import network
from tests.training.examples import SMALL_INVERSION

RULES = replace(SMALL_INVERSION, adversarial_weight=0.0)


def context(teacher: Any, seed: int = 0, **rules: Any) -> MethodContext:
    config = DistillConfig(seed=seed, precision="float32", inversion=replace(RULES, **rules))
    return MethodContext(frozen(teacher, batch_statistics=False), teacher, None, config)


def run(of: MethodContext, steps: int = 2, per_class: int = 2) -> tuple[Synthesized, list[Event]]:
    return finished(synthesize_classes(of, steps, per_class))


@pytest.fixture(scope="module")
def made() -> tuple[Synthesized, list[Event]]:
    """Five images of each of three classes after four steps, and what happened on the way."""
    return run(context(network()), steps=4, per_class=5)


def test_every_class_has_as_many_images() -> None:
    drawn, events = run(context(network(channels=3, classes=10, normalized=False)))
    assert drawn.images.shape == (20, 16, 16, 3)
    np.testing.assert_array_equal(drawn.classes, np.repeat(np.arange(10), 2))
    assert drawn.probabilities.shape == (20, 10)
    dtypes = [array.dtype.name for array in (drawn.images, drawn.classes, drawn.probabilities)]
    assert dtypes == ["uint8", "int64", "float32"]
    # Without batch normalization there is a loss less, which is worth a line.
    assert [type(event) for event in events].count(Note) == 1
    assert drawn.metrics.batch_norm_distance is None


def test_the_probabilities_are_the_teacher_s_of_the_images_as_they_are_kept(
    made: tuple[Synthesized, list[Event]],
) -> None:
    drawn, _ = made
    logits = np.asarray(network()(scale(drawn.images), training=False), np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(drawn.probabilities, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("normalized", "weight", "says"),
    [(True, 0.0, "every other weight is 0"), (False, 1.0, "has no batch normalization")],
)
def test_without_a_loss_there_is_nothing_to_learn(
    normalized: bool, weight: float, says: str
) -> None:
    with pytest.raises(RequestError, match=f"--class-weight 0: .*{says}"):
        check_losses(
            context(network(normalized=normalized), class_weight=0.0, batch_norm_weight=weight)
        )
