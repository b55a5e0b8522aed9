"""Results as tables for people and programs, and images laid out to be looked at."""

from kextract.reports.comparison import epochs, summary
from kextract.reports.evaluation import (
    EvaluationResult,
    evaluation_classes,
    evaluation_dict,
    evaluation_summary,
)
from kextract.reports.grid import class_grid, image_grid
from kextract.reports.grouping import Group, by_fields, by_seed, single
from kextract.reports.metrics import default_metrics, find_metrics
from kextract.reports.prediction import (
    Prediction,
    prediction_dict,
    prediction_table,
    probability_table,
)
from kextract.reports.run import Run
from kextract.reports.table import Cell, Table

__all__ = [
    "Cell",
    "EvaluationResult",
    "Group",
    "Prediction",
    "Run",
    "Table",
    "by_fields",
    "by_seed",
    "class_grid",
    "default_metrics",
    "epochs",
    "evaluation_classes",
    "evaluation_dict",
    "evaluation_summary",
    "find_metrics",
    "image_grid",
    "prediction_dict",
    "prediction_table",
    "probability_table",
    "single",
    "summary",
]
