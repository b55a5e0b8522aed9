"""How a teacher is made ready to teach."""

from pathlib import Path

from kextract.config import DistillConfig
from kextract.config.shared import ExternalModelOptions, Machine
from kextract.models.statistics import batch_norm_layers
from kextract.runs.loaded import load_teacher
from kextract.runs.opening import open_teacher

TEACHER = Path(__file__).parents[2] / "checkpoints" / "strokes-resnet11.weights.h5"


def test_a_teacher_is_there_as_it_is_and_folded() -> None:
    opened = open_teacher(TEACHER, ExternalModelOptions(), Machine(), data="unwanted")
    config = DistillConfig(precision="float32")
    teacher = load_teacher(opened, config, None, ledger=None, access=None)
    assert teacher.network is not None and teacher.folded is not None
    assert len(batch_norm_layers(teacher.network)) == 10
    assert len(batch_norm_layers(teacher.folded)) == 3
