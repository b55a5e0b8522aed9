"""A student for other programs and devices; `exporting.export_model` writes and checks a file."""

from kextract.exports.formats import (
    ARITHMETICS,
    FORMATS,
    ExportTarget,
    FormatSpec,
    check_installed,
    format_of,
    format_spec,
)
from kextract.exports.report import TOLERANCES, Comparison, ExportReport

__all__ = [
    "ARITHMETICS",
    "FORMATS",
    "TOLERANCES",
    "Comparison",
    "ExportReport",
    "ExportTarget",
    "FormatSpec",
    "check_installed",
    "format_of",
    "format_spec",
]
