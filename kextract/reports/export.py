"""What an exported file is, and how it compares with its checkpoint, as tables."""

from functools import partial

from kextract.columns import COLUMNS
from kextract.exports.report import ExportReport
from kextract.reports.table import Table, figure_cell, name_cell
from kextract.text import decimals

_count = partial(decimals, digits=0, width=12)
_share = COLUMNS["accuracy"].write
_difference = "{:.2g}".format


def export_summary(report: ExportReport) -> Table:
    """Give what was written, a row for each fact."""
    facts = {
        "file": report.path,
        "format": report.format,
        "arithmetic": report.arithmetic,
        "pixels it takes": report.inputs,
        "what it gives": report.outputs,
        "class names": report.class_names or "not in the file",
        "bytes": f"{report.bytes:,}",
        "parameters": f"{report.parameters:,}",
        "multiply-adds": f"{report.multiply_adds:,}",
        "ms per image": f"{report.milliseconds:.3f}"
        f" (checkpoint {report.checkpoint_milliseconds:.3f})",
    }
    if report.calibration:
        facts["calibrated on"] = f"{report.calibration} {report.calibrated_on} images"
    rows = tuple((name_cell(name), name_cell(value)) for name, value in facts.items())
    return Table("export", ("what", "value"), rows)


def export_comparisons(report: ExportReport) -> Table:
    """Give a row for each set of images that file and checkpoint were both asked about."""
    columns = (
        *("images", "count", "agreement", "probability difference", "logit difference"),
        *("accuracy", "of checkpoint"),
    )
    rows = tuple(
        (
            name_cell(each.name),
            figure_cell(each.images, _count),
            figure_cell(each.agreement, _share),
            figure_cell(each.probability_difference, _difference),
            figure_cell(each.logit_difference, _difference),
            figure_cell(each.accuracy, _share),
            figure_cell(each.checkpoint_accuracy, _share),
        )
        for each in report.comparisons
    )
    return Table("compared with the checkpoint", columns, rows)
