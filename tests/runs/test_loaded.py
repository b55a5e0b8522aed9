"""How a teacher is made ready to teach."""

from pathlib import Path

import pytest

from kextract.config import DistillConfig
from kextract.config.shared import Foreign, Machine
from kextract.models.statistics import batch_norm_layers
from kextract.runs.loaded import WORTH_FOLDING, load_teacher
from kextract.runs.opened import open_model

TEACHER = Path(__file__).parents[2] / "checkpoints" / "strokes-resnet11.weights.h5"


@pytest.mark.parametrize(("updates", "left"), [(WORTH_FOLDING - 1, 10), (WORTH_FOLDING, 3)])
def test_a_teacher_is_folded_where_that_pays(updates: int, left: int) -> None:
    opened = open_model(TEACHER, Foreign(), Machine(), data="unwanted")
    config = DistillConfig(epochs=1, steps_per_epoch=updates, precision="float32")
    teacher = load_teacher(opened, config, None, ledger=None, access=None)
    assert teacher.network is not None and teacher.folded is not None
    assert len(batch_norm_layers(teacher.network)) == 10
    assert len(batch_norm_layers(teacher.folded)) == left
