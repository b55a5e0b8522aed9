"""The one place that names output files; a name may have options in braces, as `{method}`."""

import glob
import os
import re
import string
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kextract.config import DistillConfig
from kextract.config.shared import FOLDER, Output
from kextract.display.files import check_ending as check_metrics
from kextract.errors import RequestError, UnknownNameError
from kextract.exports.formats import FORMATS
from kextract.storage.atomic import check_ending, check_new
from kextract.teachers.black_box import FUNCTION
from kextract.text import without_ending

_LONGEST_VALUE = 100
# What a name must not hold on Linux, macOS or Windows, and what would lead to another folder.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


def is_template(text: str) -> bool:
    """Tell whether a file's name has fields to fill in."""
    return "{" in text or "}" in text


def fill(template: str, values: Mapping[str, Any], flag: str = "--output") -> Path:
    """Fill `{field}` in a path with a run's own values; `{{` and `}}` stand for braces.

    A value that is None fills in nothing, a path fills in its name without folder and endings, and
    characters that a file's name must not hold become `_`. Raises UnknownNameError for a field that
    is none of `values`, RequestError for a template that is none.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RequestError(
            f"{flag}: '{template}' is not a template ({error}); write {{{{ and }}}} for braces"
        ) from error
    text = ""
    for literal, field, format, conversion in parts:
        text += literal
        if field is None:
            continue
        if format or conversion:
            raise RequestError(f"{flag}: '{template}': write {{{field}}} without ':' and '!'")
        if field not in values:
            raise UnknownNameError(f"field ({flag})", field, values)
        text += _text(values[field])
    return Path(text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Path):
        value = stem(value)
    text = _FORBIDDEN.sub("_", str(value))[:_LONGEST_VALUE]
    # "." and ".." are folders.
    return text if text.strip(".") else "_" * len(text)


def output_path(requested: Path | None, name: str, values: Mapping[str, Any] | None = None) -> Path:
    """Return the requested path, or the file of this name in the default folder.

    `values` are those of the options that a requested path may name in braces.
    """
    if requested is None:
        return FOLDER / name
    return requested if values is None else fill(str(requested), values)


def check_endings(given: Mapping[str, Any]) -> None:
    """Refuse names that a training cannot write to, of the options that were given."""
    if (output := given.get("output")) is not None:
        check_ending(Path(output))
    if (metrics := given.get("metrics")) is not None and not is_template(str(metrics)):
        check_metrics(Path(metrics))


def check_is_new(place: Output) -> None:
    """Refuse an output that is there already: to read a teacher first may take long."""
    if place.output is None or place.overwrite or place.resume or place.skip_existing:
        return
    if not is_template(str(place.output)):
        check_new(place.output)


def expanded(paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths stand for, where a shell left patterns such as `*` as they are.

    What is there under its own name is not a pattern, nor are the folders on the way to it:
    `run[1]` is a folder where there is one. Raises RequestError for a pattern that no file matches.
    """
    found: list[Path] = []
    for path in paths:
        if os.path.lexists(path) or not glob.has_magic(str(path)):
            found.append(path)
            continue
        folder = next((each for each in path.parents if os.path.lexists(each)), Path())
        pattern = str(path.relative_to(folder))
        # Where brackets do not stand for one of several characters, they may be part of a name.
        matches = _matching(folder, pattern) or _matching(folder, pattern.replace("[", "[[]"))
        if not matches:
            raise RequestError(f"'{path}': no file matches")
        found += matches
    return found


def _matching(folder: Path, pattern: str) -> list[Path]:
    names = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 - hides .names
    return [folder / name for name in sorted(names)]


def teacher_file(dataset: str, model: str, seed: int) -> str:
    """Name the checkpoint of a teacher."""
    return _checkpoint(dataset, model, _seed(seed))


def student_file(teacher: Path, student: str | None, config: DistillConfig) -> str:
    """Name the checkpoint of a student after its teacher's file and what differs."""
    recipe = None if config.recipe == "corrected" else config.recipe
    name = stem(teacher)
    if name.startswith(FUNCTION):
        # Not everywhere can a file be named like that.
        name = name.replace(":", "-")
    return _checkpoint(name, student, config.method, config.mix, recipe, _seed(config.seed))


def drawn_file(teacher: Path) -> str:
    """Name the picture of images that are synthesized from a teacher."""
    return f"{stem(teacher)}-drawn.png"


def ledger_file(output: Path) -> Path:
    """Name the ledger of questions beside the checkpoint that the run will write."""
    return output.with_name(f"{stem(output)}.ledger.db")


def latest_picture(checkpoint: Path) -> Path | None:
    """Find the picture of the last epoch that was drawn beside a checkpoint."""
    found = checkpoint.parent.glob(f"{glob.escape(stem(checkpoint))}-epoch-[0-9]*.png")
    return max(found, default=None)


def export_file(checkpoint: Path, format: str, arithmetic: str) -> Path:
    """Name the file of a network for other programs, or the folder of a SavedModel."""
    spec = FORMATS[format]
    smaller = "" if arithmetic == "float32" else f"-{arithmetic}"
    return FOLDER / f"{stem(checkpoint)}{smaller}{spec.ending or '-' + format}"


def picture_file(output: Path, epoch: int) -> Path:
    """Name the picture of an epoch's images, beside the checkpoint that the run will write."""
    return output.with_name(f"{stem(output)}-epoch-{epoch:04}.png")


def stem(path: Path) -> str:
    """Return a checkpoint's file name without its ending."""
    return without_ending(path.name)


def _checkpoint(*parts: str | None) -> str:
    return "-".join(part for part in parts if part) + ".weights.h5"


def _seed(seed: int) -> str | None:
    return f"s{seed}" if seed else None
