"""The teacher that the article was written with, measured again; needs its file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.models.architectures import build_model
from kextract.storage import load_weights
from kextract.training.evaluation import Predictor, score

FOLDER = Path(os.environ.get("KEXTRACT_DATA", ""))
TEACHER, IMAGES = FOLDER / "vinell-2020-teacher.h5", FOLDER / "cifar10-test-1017.npz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (TEACHER.is_file() and IMAGES.is_file()),
        reason=f"KEXTRACT_DATA names no folder with {TEACHER.name} and {IMAGES.name}",
    ),
]


def test_the_article_s_teacher_has_its_loss_and_its_accuracy() -> None:
    model: Any = build_model("resnet11", (32, 32, 3), 10)
    load_weights(TEACHER, model)
    predictor = Predictor(model)
    with np.load(IMAGES) as images:
        logits = predictor.logits(images["x_test"])
        scores = score(logits, images["y_test"], penalty=predictor.penalty())
    assert scores.loss == pytest.approx(0.9737, abs=5e-4)
    assert scores.accuracy == pytest.approx(0.7306, abs=5e-4)
