"""`kextract report`: teachers and students on one page for a browser."""

import sys

from kextract.config.requests import ReportRequest
from kextract.config.resolve import Invocation

EXAMPLE = "kextract report 'results/*.weights.h5' --output report.html"


def report(invocation: Invocation[ReportRequest]) -> None:
    """Write what runs were asked for and what came of them as one HTML file.

    The page needs nothing else, no network either: results, epochs, teacher and student side by
    side, images that were drawn beside the checkpoints, commands and configurations. A student's
    teacher is added where it is in the same folder or in checkpoints/.
    """
    from kextract.runs.reporting import write_report
    from kextract.text import one_line

    path = write_report(invocation.request, lambda note: print(one_line(note), file=sys.stderr))
    print(path)
    print(f"open it in a browser: {path.resolve().as_uri()}", file=sys.stderr)
