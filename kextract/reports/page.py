"""The report of one or more runs as a single HTML file that needs nothing else."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.reports import html
from kextract.reports.comparison import summary
from kextract.reports.confusion import Confusion
from kextract.reports.grouping import Group, by_seed
from kextract.reports.pictures import fitted
from kextract.reports.run import Run
from kextract.reports.table import Cell, Table, name_cell
from kextract.text import decimals, duration

if TYPE_CHECKING:
    from kextract.storage import CheckpointInfo

PICTURE_BYTES = 1_500_000
"""For all pictures together, before they are written as text, which takes a third more."""
MOST_OF_ONE_PICTURE = 250_000
OPEN_RUNS = 4
"""Where there are more runs than this, each is folded up."""
_POOLINGS = {
    "global": "global pooling",
    "article": "pooling as in the article",
    "none": "without pooling",
}
_share = partial(decimals, digits=4, width=10)


@dataclass(frozen=True, slots=True)
class Measured:
    """What running a model adds to what its checkpoint says."""

    multiply_adds: int | None = None
    """For one image."""
    confusion: Confusion | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One checkpoint on the page."""

    run: Run
    info: "CheckpointInfo"
    file_bytes: int
    configuration: str = ""
    """The options of the command, as TOML."""
    picture: Path | None = None
    """A PNG file with the images that a student was taught with, a row for each class."""
    measured: Measured = Measured()


def report_page(entries: Sequence[Entry], title: str = "") -> str:
    """Write the page; teachers among the entries stand beside their students.

    The same entries give the same page. Raises RequestError for a picture that is none.
    """
    students = [entry for entry in entries if entry.run.kind == "student"]
    teachers = {e.run.sha256: e for e in entries if e.run.kind == "teacher" and e.run.sha256}
    groups = by_seed([entry.run for entry in entries])
    heading = title or _title(entries, students)
    shown = [*students, *(entry for entry in entries if entry.run.kind == "teacher")]
    pictures = sum(entry.picture is not None for entry in shown)
    most_bytes = min(MOST_OF_ONE_PICTURE, PICTURE_BYTES // max(pictures, 1))
    body = [
        f"<header><h1>{html.escaped(heading)}</h1>{_lead(entries, students)}</header>",
        "<main>",
        "<h2>Results</h2>",
        html.table(summary(groups)),
        _reading_help(groups),
        *_plots(groups),
    ]
    for entry in shown:
        content = _run_section(entry, teachers.get(entry.run.teacher_sha256), most_bytes)
        name = html.escaped(entry.run.name)
        if len(shown) > OPEN_RUNS:
            body.append(f"<details><summary><strong>{name}</strong></summary>{content}</details>")
        else:
            body.append(f"<section><h2>{name}</h2>{content}</section>")
    body += ["</main>", _footer(entries)]
    return html.document(heading, body)


def _title(entries: Sequence[Entry], students: Sequence[Entry]) -> str:
    sets = _list({entry.info.dataset for entry in entries})
    if not students:
        return f"Teachers of {sets}"
    teachers = {entry.info.teacher or "" for entry in students}
    of = _stem(teachers.pop()) if len(teachers) == 1 else f"{len(teachers)} teachers"
    return f"What students learned from {of} ({sets})"


def _lead(entries: Sequence[Entry], students: Sequence[Entry]) -> str:
    """Say in a sentence or two what was asked."""
    if not students:
        return f"<p>{len(entries)} teachers, trained on labelled images.</p>"
    methods = _list({entry.run.method for entry in students if entry.run.method})
    seeds = sorted({entry.run.seed for entry in students})
    count = "one student" if len(students) == 1 else f"{len(students)} students"
    numbers = ", ".join(map(str, seeds[:10])) + (", ..." if len(seeds) > 10 else "")
    text = (
        f"Asked for: {count}, taught to answer like the teacher by {methods or 'another program'};"
        f" seed{'s' if len(seeds) > 1 else ''} {numbers}. No student saw a label."
    )
    return f"<p>{html.escaped(text)}</p>"


def _reading_help(groups: Sequence[Group]) -> str:
    text = (
        "Losses (nats) and accuracies are those of the validation images; the test accuracy is"
        " that of the finished model, on images that nothing else has seen."
    )
    if any(len(group.runs) > 1 for group in groups):
        text += " Runs that differ only in their seed are one row: mean ± standard deviation."
    return f'<p class="soft">{text}</p>'


def _plots(groups: Sequence[Group]) -> list[str]:
    from kextract.errors import RequestError
    from kextract.reports import plots

    wanted = [("curves", "Epochs", "Validation loss and accuracy by epoch", plots.curves)]
    students = [group for group in groups if group.kind == "student"]
    if len({point.parameters for point in plots.size_points(students)}) > 1:
        wanted.append(
            (
                "size",
                "Size",
                "Test accuracy against parameters",
                lambda groups: plots.size_against_accuracy(plots.size_points(groups)),
            )
        )
    if any("questions" in r.details for g in groups for run in g.runs for r in run.history):
        wanted.append(
            (
                "questions",
                "Questions",
                "Validation accuracy against questions to the teacher",
                plots.questions_against_accuracy,
            )
        )
    parts = []
    for name, heading, description, draw in wanted:
        try:
            svg = plots.render(draw(groups), "svg", for_page=True)
        except RequestError as error:
            parts.append(f'<h2>{heading}</h2><p class="soft">{html.escaped(str(error))}</p>')
        else:
            parts.append(f"<h2>{heading}</h2>{html.plot(svg, name, description)}")
    return parts


def _run_section(entry: Entry, teacher: Entry | None, most_bytes: int) -> str:
    parts = [html.table(_side_by_side(entry, teacher))]
    if entry.picture is not None:
        image, kind = fitted(entry.picture, most_bytes)
        rows = ", ".join(entry.info.class_names[:20]) or f"{entry.info.classes} classes"
        caption = f"Images that the student was taught with, a row for each class: {rows}"
        parts += ["<h3>Drawn images</h3>", html.picture(image, kind, caption)]
    if entry.measured.confusion is not None:
        parts += [
            "<h3>Confusion</h3>",
            '<p class="soft">A row for each true class, a column for each prediction; images.</p>',
            html.confusion(entry.measured.confusion),
        ]
    command = str(entry.info.config.get("command", ""))
    if command:
        parts += ["<h3>Command</h3>", html.preformatted(command)]
    if entry.configuration:
        parts.append(html.folded("Configuration", html.preformatted(entry.configuration)))
    return "".join(parts)


def _side_by_side(entry: Entry, teacher: Entry | None) -> Table:
    """Give a row for each fact, a column for the teacher, if it is there, and one for the run."""
    both = [*([teacher] if teacher else []), entry]
    facts = [_facts(one) for one in both]
    rows = []
    for name in facts[-1]:
        texts = [fact.get(name, "") for fact in facts]
        if any(texts):
            rows.append((name_cell(name), *(Cell(None, text or "--") for text in texts)))
    kinds = [one.run.kind for one in both]
    return Table("", ("", *kinds), tuple(rows))


def _facts(entry: Entry) -> dict[str, str]:
    run, info = entry.run, entry.info
    adds = entry.measured.multiply_adds
    kept = run.kept
    return {
        "file": run.name,
        "architecture": f"{info.model}, {_POOLINGS.get(info.pooling, info.pooling)}",
        "images": f"{'x'.join(map(str, info.input_shape))}, {info.classes} classes, {info.dataset}",
        "taught by": f"{run.method} from {info.teacher}" if run.method else "labelled images",
        "parameters": "" if run.parameters is None else f"{run.parameters:,}",
        "multiply-adds per image": "" if adds is None else f"{adds:,}",
        "file size": f"{entry.file_bytes / 1e6:,.2f} MB",
        "epochs": str(run.history[-1].epoch) if run.history else "",
        "time": duration(sum(record.seconds for record in run.history)),
        "seed": str(run.seed),
        "precision": info.precision,
        "validation accuracy": _text(kept.accuracy if kept else None),
        "test accuracy": _text(run.test.get("accuracy")),
        "test loss": _text(run.test.get("loss")),
        "agreement with the teacher": _text(run.test.get("agreement")),
        "KL(teacher || student), nats": _text(run.test.get("kl")),
        "SHA-256 of the weights": info.sha256[:16],
    }


def _text(value: float | None) -> str:
    return "" if value is None else _share(value)


def _footer(entries: Sequence[Entry]) -> str:
    versions = _list({entry.info.kextract_version for entry in entries})
    tensorflow = _list({entry.info.tensorflow_version for entry in entries})
    keras = _list({entry.info.keras_version for entry in entries})
    names = shlex.join(entry.run.name for entry in entries)
    text = f"kextract {versions}, TensorFlow {tensorflow}, Keras {keras}; runs: {names}"
    return f'<footer class="soft"><p>{html.escaped(text)}</p></footer>'


def _list(names: set[str]) -> str:
    return ", ".join(sorted(name for name in names if name))


def _stem(name: str) -> str:
    return name.removesuffix(".h5").removesuffix(".weights").removesuffix(".keras")
