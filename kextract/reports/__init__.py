"""Results as tables for people and programs, and images laid out to be looked at."""

from kextract.reports.comparison import Run, epochs, summary
from kextract.reports.evaluation import (
    EvaluationResult,
    evaluation_classes,
    evaluation_dict,
    evaluation_summary,
)
from kextract.reports.grid import class_grid, image_grid
from kextract.reports.table import Cell, Table

__all__ = [
    "Cell",
    "EvaluationResult",
    "Run",
    "Table",
    "class_grid",
    "epochs",
    "evaluation_classes",
    "evaluation_dict",
    "evaluation_summary",
    "image_grid",
    "summary",
]
