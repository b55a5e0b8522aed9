"""`kextract export`: a network for other programs and devices, checked as it is written."""

from kextract.cli.output import print_table
from kextract.config.requests import ExportRequest
from kextract.config.resolve import Invocation

EXAMPLE = "kextract export checkpoints/mnist-resnet11.weights.h5 --int8 -o mnist.tflite"


def export(invocation: Invocation[ExportRequest]) -> None:
    """Write a checkpoint as .keras, SavedModel, TFLite or ONNX, of stock layers only.

    The file's own runtime runs it at once, and it is written only if it agrees with the checkpoint.
    --int8 needs no data: it is calibrated on images that are made up.
    """
    from kextract.display import make_display
    from kextract.reports.results import export_comparisons, export_summary
    from kextract.runs.export import run_export
    from kextract.text import json_text

    request = invocation.request
    report = run_export(invocation, make_display("quiet" if request.json else "auto"))
    if request.json:
        print(json_text(report.to_dict()))
    else:
        print_table(export_summary(report))
        print_table(export_comparisons(report))
