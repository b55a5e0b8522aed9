"""Results as tables for people and programs."""

from kextract.reports.comparison import default_metrics, epochs, find_metrics, summary
from kextract.reports.results import (
    EvaluationResult,
    Prediction,
    evaluation_classes,
    evaluation_dict,
    evaluation_mistakes,
    evaluation_summary,
    prediction_dict,
    prediction_table,
    probability_table,
)
from kextract.reports.runs import Group, Run, by_fields, by_seed, single
from kextract.reports.table import Cell, Table
