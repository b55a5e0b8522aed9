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

__all__ = [
    "ARITHMETICS",
    "FORMATS",
    "ExportTarget",
    "FormatSpec",
    "check_installed",
    "format_of",
    "format_spec",
]
