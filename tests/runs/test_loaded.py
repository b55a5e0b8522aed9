"""What a distillation learns of its teacher before it begins."""

from pathlib import Path

import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.models.build import build_model
from kextract.runs.loaded import LoadedTeacher
from kextract.runs.opening import Teacher, info_without_architecture

SHAPE = (28, 28, 1)


def test_a_teacher_is_looked_at_as_one_graph_which_is_faster_than_layer_by_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eager: list[bool] = []
    network = build_model("lenet5", SHAPE, 2, seed=0)
    call = network.call

    def noted(*args: object, **kwargs: object) -> tf.Tensor:
        eager.append(tf.executing_eagerly())
        return call(*args, **kwargs)

    loaded = LoadedTeacher(
        Teacher(Path("x"), info_without_architecture(SHAPE, 2), network=(network, "")),
        DistillConfig(),
    )
    monkeypatch.setattr(network, "call", noted)
    loaded.examine(None)
    # Folding tries it once.
    assert eager == [True, False]
