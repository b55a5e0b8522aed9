"""`kextract synthesize`: what a teacher takes its classes to look like."""

from kextract.config.requests import SynthesizeRequest
from kextract.config.resolve import Invocation

EXAMPLE = "kextract synthesize checkpoints/mnist-resnet11.weights.h5 -o digits.png"


def synthesize(invocation: Invocation[SynthesizeRequest]) -> None:
    """Draw images of every class out of TEACHER, without data and without a student.

    A generator is trained against the teacher, as distill --method inversion does. The picture has
    a row for each class.
    """
    from kextract.display import make_display
    from kextract.runs.synthesis import run_synthesis

    run_synthesis(invocation, make_display(invocation.request.format))
