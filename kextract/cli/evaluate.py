"""`kextract evaluate`: how good checkpoints are, and how like their teacher."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kextract.cli.output import print_table
from kextract.config.requests import EvaluateRequest
from kextract.config.resolve import Invocation
from kextract.errors import GateError

if TYPE_CHECKING:
    from kextract.reports import EvaluationResult

EXAMPLE = "kextract evaluate checkpoints/strokes-resnet11.weights.h5 --min-accuracy 0.95"


def evaluate(invocation: Invocation[EvaluateRequest]) -> None:
    """Measure checkpoints on labelled images, or how alike they are on any.

    Shows loss, accuracy, accuracy per class, and with --against agreement with a teacher.
    """
    from kextract.reports import evaluation_classes, evaluation_dict, evaluation_summary
    from kextract.runs.evaluation import run_evaluation
    from kextract.text import json_text, one_line

    request = invocation.request
    results = run_evaluation(request, lambda note: print(one_line(note), file=sys.stderr))
    if request.format == "json":
        for result in results:
            print(json_text(evaluation_dict(result)))
    else:
        print_table(evaluation_summary(results))
        if any(result.per_class for result in results):
            print_table(evaluation_classes(results))
    for name in ("accuracy", "agreement"):
        _check(results, name, getattr(request, f"min_{name}"))


def _check(results: "Sequence[EvaluationResult]", name: str, least: float | None) -> None:
    """Raise GateError for the worst result where it is below the least that may be."""
    measured = [
        (found, result) for result in results if (found := getattr(result, name)) is not None
    ]
    if least is None or not measured:
        return
    found, worst = min(measured, key=lambda pair: pair[0])
    if found < least:
        raise GateError(
            f"'{worst.checkpoint}' has an {name} of {found:.4f}, below the {least:g} of"
            f" --min-{name}"
        )
