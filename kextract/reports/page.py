"""The report of one or more runs as a single HTML file that needs nothing else."""

import base64
import html
import io
import re
import shlex
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from kextract.errors import RequestError
from kextract.reports import plots
from kextract.reports.comparison import Metric, summary
from kextract.reports.plots import GRID, INK
from kextract.reports.runs import Group, Run, by_seed
from kextract.reports.table import Cell, Table, figure_cell, name_cell
from kextract.text import decimals, dimensions, duration, one_line, without_ending

if TYPE_CHECKING:
    from kextract.storage import CheckpointInfo

PICTURE_BYTES = 1_500_000
"""For all pictures together, before they are written as text, which takes a third more."""
MOST_OF_ONE_PICTURE = 250_000
MOST_FILE_BYTES = 64 << 20
MOST_PIXELS = 40_000_000
OPEN_RUNS = 4
"""Where there are more runs than this, each is folded up."""
MOST_CLASSES = 25
"""A confusion matrix of more classes is shown as a list of what is confused most."""
_MOST_CONFUSED = 20
_QUALITIES = (80, 50)
_STRONGEST = 0.55
"""Opacity of a cell that all images of a class are in; text on it stays readable."""
_POOLINGS = {
    "global": "global pooling",
    "article": "pooling as in the article",
    "none": "without pooling",
}
_share = partial(decimals, digits=4, width=10)


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts (k, k) of images by their true class, in rows, and by their predicted class."""

    counts: NDArray[np.int64]
    class_names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        predictions: NDArray[np.integer[Any]],
        labels: NDArray[np.integer[Any]],
        class_names: tuple[str, ...],
    ) -> "Confusion":
        """Count predictions (n,) against labels (n,), both from 0 to k - 1 for k class names."""
        classes = len(class_names)
        indices = labels.astype(np.int64) * classes + predictions
        counts = np.bincount(indices, minlength=classes * classes).reshape(classes, classes)
        return cls(counts.astype(np.int64), class_names)

    @property
    def is_small(self) -> bool:
        """Whether all of it fits a page."""
        return len(self.class_names) <= MOST_CLASSES

    def shaded(self) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        """Yield each true class with its counts and their opacities."""
        shares = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        for name, counts, row in zip(self.class_names, self.counts, shares, strict=True):
            opacities = (f"{_STRONGEST * share:.2f}" for share in row)
            yield name, list(zip(counts.tolist(), opacities, strict=True))

    def largest(self) -> Table:
        """Return the classes that are mistaken for each other most."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(wrong, axis=None, kind="stable")[::-1][:_MOST_CONFUSED]
        rows = [
            (
                name_cell(self.class_names[true]),
                name_cell(self.class_names[taken]),
                figure_cell(int(wrong[true, taken]), str),
            )
            for true, taken in zip(*np.unravel_index(order, wrong.shape), strict=True)
            if wrong[true, taken]
        ]
        return Table("", ("class", "taken for", "images"), tuple(rows))


@dataclass(frozen=True, slots=True)
class Entry:
    """One run on the page."""

    run: Run
    info: "CheckpointInfo"
    file_bytes: int | None = None
    """None for a run that is not in a file."""
    configuration: str = ""
    """The options of the command, as TOML."""
    picture: Path | None = None
    """A PNG file with the images that a student was taught with, a row for each class."""
    multiply_adds: int | None = None
    """For one image; this and what follows is known where the model was run."""
    confusion: Confusion | None = None
    verdict: str = ""
    """How good it is and what to do next, in sentences."""


def report_page(
    entries: Sequence[Entry],
    title: str = "",
    groups: Sequence[Group] | None = None,
    metrics: Sequence[Metric] | None = None,
) -> str:
    """Write the page; teachers among the entries stand beside their students.

    `groups` are the runs of the entries, by default one for those that differ only in their seed;
    `metrics` are the columns of their table. The same entries give the same page. Raises
    RequestError for a picture that cannot be shown.
    """
    students = [entry for entry in entries if entry.run.kind == "student"]
    teachers = {e.run.sha256: e for e in entries if e.run.kind == "teacher" and e.run.sha256}
    groups = by_seed([entry.run for entry in entries]) if groups is None else groups
    shown = [*students, *(entry for entry in entries if entry.run.kind == "teacher")]
    pictures = sum(entry.picture is not None for entry in shown)
    most_bytes = min(MOST_OF_ONE_PICTURE, PICTURE_BYTES // max(pictures, 1))
    environment = Environment(
        loader=PackageLoader("kextract.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    # A name from a file may hold line breaks and codes; markup in it is escaped by the template.
    environment.filters["one_line"] = one_line
    return environment.get_template("page.html.j2").render(
        title=title or _title(entries, students),
        lead=_lead(entries, students),
        summary=summary(groups, metrics),
        several_seeds=any(len(group.runs) > 1 for group in groups),
        plots=_plots(groups),
        sections=[
            _section(entry, teachers.get(entry.run.teacher_sha256), most_bytes) for entry in shown
        ],
        folded=len(shown) > OPEN_RUNS,
        footer=_footer(entries),
    )


def _title(entries: Sequence[Entry], students: Sequence[Entry]) -> str:
    sets = _list({entry.info.dataset for entry in entries})
    if not students:
        return f"Teachers of {sets}"
    teachers = {entry.info.teacher or "" for entry in students}
    of = without_ending(teachers.pop()) if len(teachers) == 1 else f"{len(teachers)} teachers"
    return f"What students learned from {of} ({sets})"


def _lead(entries: Sequence[Entry], students: Sequence[Entry]) -> str:
    """Say in a sentence or two what was asked."""
    if not students:
        return f"{len(entries)} teachers, trained on labelled images."
    methods = _list({entry.run.method for entry in students if entry.run.method})
    seeds = sorted({entry.run.seed for entry in students})
    count = "one student" if len(students) == 1 else f"{len(students)} students"
    numbers = ", ".join(map(str, seeds[:10])) + (", ..." if len(seeds) > 10 else "")
    return (
        f"Asked for: {count}, taught to predict like the teacher by {methods or 'another program'};"
        f" seed{'s' if len(seeds) > 1 else ''} {numbers}. No student saw a label."
    )


def _plots(groups: Sequence[Group]) -> list[dict[str, str]]:
    """Draw what there is to draw: each plot has a heading, and an SVG or the problem with it."""
    wanted = [("curves", "Epochs", "Validation loss and accuracy by epoch", plots.curves)]
    students = [group for group in groups if group.kind == "student"]
    if len({group.runs[0].parameters for group in students} - {None}) > 1:
        about = "Test accuracy against parameters"
        wanted.append(("size", "Size", about, plots.size_against_accuracy))
    if any("questions" in r.details for g in groups for run in g.runs for r in run.history):
        about = "Test accuracy against questions to the teacher"
        wanted.append(("questions", "Questions", about, plots.questions_against_accuracy))
    drawn = []
    for name, heading, description, draw in wanted:
        try:
            svg = plots.render(draw(groups), "svg", for_page=True)
        except RequestError as error:
            drawn.append({"heading": heading, "svg": "", "problem": str(error)})
        else:
            drawn.append({"heading": heading, "svg": _inline(svg, name, description)})
    return drawn


def _inline(svg: bytes, name: str, description: str) -> str:
    """Make an SVG of `render(..., for_page=True)` part of a page, in its colours and font.

    `name` keeps its identifiers apart from those of other plots.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(?<=px) 'DejaVu Sans'[^;\"]*", " system-ui, sans-serif", text)
    for colour, role in ((INK, "ink"), (GRID, "rule"), ("#ffffff", "paper")):
        text = text.replace(colour, f"var(--{role})")
    label = html.escape(description)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _section(entry: Entry, teacher: Entry | None, most_bytes: int) -> dict[str, Any]:
    picture = None
    if entry.picture is not None:
        image, kind = compressed(entry.picture, most_bytes)
        rows = ", ".join(entry.info.class_names[:20]) or f"{entry.info.classes} classes"
        picture = {
            "kind": kind,
            "base64": base64.b64encode(image).decode(),
            "caption": f"Images that the student was taught with, a row for each class: {rows}",
        }
    return {
        "name": entry.run.name,
        "verdict": entry.verdict,
        "facts": _side_by_side(entry, teacher),
        "picture": picture,
        "mistakes": _mistakes(entry.run),
        "confusion": entry.confusion,
        "command": str(entry.info.config.get("command", "")),
        "configuration": entry.configuration,
    }


def compressed(path: Path, most_bytes: int) -> tuple[bytes, str]:
    """Read a PNG file and give it in at most about so many bytes, and as what: "png" or "webp".

    Where it does not fit it loses detail first and then size. Raises RequestError for a file that
    cannot be read or declares more than 40 million pixels.
    """
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise ValueError(f"it has more than {MOST_FILE_BYTES >> 20} MiB")
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _opened(content)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RequestError(f"'{path}': is not a picture that can be shown ({error})") from error
    if len(content) <= most_bytes:
        return content, "png"
    while True:
        for quality in _QUALITIES:
            stream = io.BytesIO()
            image.save(stream, "WEBP", quality=quality, method=1)
            if stream.tell() <= most_bytes or min(image.size) < 64:
                return stream.getvalue(), "webp"
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)


def _opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it declares {image.width}x{image.height} pixels")
        return image.convert("RGB")


def _mistakes(run: Run) -> list[tuple[str, int]]:
    """Say how many of its teacher's mistakes a student makes too, and by chance, in percent."""
    bars = (("the student", "mistakes_repeated"), ("by chance", "mistakes_by_chance"))
    return [(words, round(100 * run.test[name])) for words, name in bars if name in run.test]


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
    adds = entry.multiply_adds
    kept = run.kept
    return {
        "file": run.name,
        "architecture": f"{info.model}, {_POOLINGS.get(info.pooling, info.pooling)}",
        "images": f"{dimensions(info.input_shape)}, {info.classes} classes, {info.dataset}",
        "taught by": f"{run.method} from {info.teacher}" if run.method else "labelled images",
        "parameters": "" if run.parameters is None else f"{run.parameters:,}",
        "multiply-adds per image": "" if adds is None else f"{adds:,}",
        "file size": "" if entry.file_bytes is None else f"{entry.file_bytes / 1e6:,.2f} MB",
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
    return f"kextract {versions}, TensorFlow {tensorflow}, Keras {keras}; runs: {names}"


def _list(names: set[str]) -> str:
    return ", ".join(sorted(name for name in names if name))
