from typing import Any

import numpy as np
import pytest

from kextract.models.batch_norm import frozen
from kextract.models.build import build_model

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 16, 16, 1)).astype(np.float32)


def teacher() -> Any:
    return build_model("tiny", (16, 16, 1), 3)


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_a_frozen_teacher_answers_without_changing(batch_statistics: bool) -> None:
    model = teacher()
    before = model.get_weights()
    frozen(model, batch_statistics=batch_statistics)(IMAGES)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_a_frozen_teacher_uses_the_wished_statistics(batch_statistics: bool) -> None:
    answer = frozen(teacher(), batch_statistics=batch_statistics)(IMAGES)
    expected, other = (teacher()(IMAGES, training=flag) for flag in (True, False))
    if not batch_statistics:
        expected, other = other, expected
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(answer, other, rtol=1e-2)
