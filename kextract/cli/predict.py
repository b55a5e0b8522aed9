"""`kextract predict`: what a classifier says of images."""

import sys

from kextract.cli.output import print_table
from kextract.config.requests import PredictRequest
from kextract.config.resolve import Invocation

EXAMPLE = "kextract predict checkpoints/mnist-resnet11.weights.h5 scans/ --format csv"


def predict(invocation: Invocation[PredictRequest]) -> None:
    """Classify images that nobody has labelled: an image, a folder of them or an .npz file.

    Images of any size are brought to the size that the network takes.
    """
    from kextract.reports import prediction_dict, prediction_table, probability_table
    from kextract.runs.prediction import run_prediction
    from kextract.text import json_text, one_line

    result = run_prediction(invocation.request)
    for note in (*result.doubts, *result.notes):
        print(one_line(note), file=sys.stderr)
    format = invocation.request.format
    if format == "json":
        for prediction in result.found:
            print(json_text(prediction_dict(prediction)))
    elif format == "csv":
        print(probability_table(result.found, result.names).to_csv(), end="")
    else:
        print_table(prediction_table(result.found, result.names))
    for doubt in result.doubts:
        print(one_line(doubt), file=sys.stderr)
