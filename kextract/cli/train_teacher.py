"""`kextract train-teacher`: a classifier from labelled images."""

from kextract.config.requests import TrainRequest
from kextract.config.resolve import Invocation

EXAMPLE = "kextract train-teacher --dataset mnist --epochs 8 --schedule cosine"


def train_teacher(invocation: Invocation[TrainRequest]) -> None:
    """Train a teacher on labelled images; the defaults are the article's."""
    from kextract.display import make_display
    from kextract.runs.job import run_job
    from kextract.runs.teacher import prepare_teacher

    display = make_display(invocation.request.format)
    run_job(prepare_teacher(invocation), invocation.request.output, display)
