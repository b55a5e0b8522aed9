"""`kextract distill`: a student taught by a teacher, without data."""

from kextract.config.requests import DistillRequest
from kextract.config.resolve import Invocation

EXAMPLE = "kextract distill checkpoints/mnist-resnet11.weights.h5 --method inversion"


def distill(invocation: Invocation[DistillRequest]) -> None:
    """Teach a student to answer like TEACHER, on images that are made up."""
    from kextract.display import make_display
    from kextract.runs.job import run_job
    from kextract.runs.preparing import prepare_student

    display = make_display(invocation.request.format)
    run_job(prepare_student(invocation), invocation.request.output, display)
