"""`kextract evaluate`: how good checkpoints are, and how like their teacher."""

from kextract.cli.output import print_table
from kextract.config.resolve import Invocation
from kextract.errors import GateError
from kextract.runs.requests_of_finished import EvaluateRequest

EXAMPLE = "kextract evaluate checkpoints/strokes-resnet11.weights.h5 --min-accuracy 0.95"


def evaluate(invocation: Invocation[EvaluateRequest]) -> None:
    """Measure checkpoints on labelled images.

    Shows loss, accuracy, accuracy per class, and with --against agreement with a teacher.
    """
    from kextract.reports import evaluation_classes, evaluation_dict, evaluation_summary
    from kextract.runs.evaluation import run_evaluation
    from kextract.text import json_text

    request = invocation.request
    results = run_evaluation(request)
    if request.format == "json":
        for result in results:
            print(json_text(evaluation_dict(result)))
    else:
        print_table(evaluation_summary(results))
        print_table(evaluation_classes(results))
    worst = min(results, key=lambda result: result.accuracy)
    if request.min_accuracy is not None and worst.accuracy < request.min_accuracy:
        raise GateError(
            f"'{worst.checkpoint}' has an accuracy of {worst.accuracy:.4f}, below the"
            f" {request.min_accuracy:g} of --min-accuracy"
        )
