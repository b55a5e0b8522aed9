"""Runs read from their checkpoints, to be compared and drawn."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from kextract.config.requests import CompareRequest
from kextract.errors import RequestError
from kextract.reports import Group, Run, by_fields, by_seed, single
from kextract.runs.outputs import expanded, stem
from kextract.storage import atomic_write, check_place
from kextract.storage.checkpoint import count_parameters
from kextract.storage.info import CheckpointInfo
from kextract.storage.opening import identify

ALONE = "none"
"""Groups by nothing: each run is a group."""


def read_runs(paths: Iterable[Path]) -> list[Run]:
    """Read what checkpoints say of their runs; TensorFlow is not needed.

    Patterns such as `*` stand for the files that match them. Raises RequestError for a file that
    has no history, CheckpointError for one that is damaged.
    """
    return [read_run(path)[0] for path in expanded(paths)]


def read_run(path: Path) -> tuple[Run, CheckpointInfo]:
    """Read one checkpoint, see `read_runs`."""
    info = identify(path).info
    if info is None:
        raise RequestError(
            f"'{path}' is of another program, without a history to compare; measure it with"
            " evaluate"
        )
    return Run.of(stem(path), info, count_parameters(path)), info


def grouped(runs: Sequence[Run], group_by: str | None) -> list[Group]:
    """Take runs together as `--group-by` says. Raises UnknownNameError."""
    names = words(group_by)
    if not names:
        return by_seed(runs)
    return single(runs) if names == (ALONE,) else by_fields(runs, names)


def words(text: str | None) -> tuple[str, ...]:
    """Take a list apart that was typed with commas; what was typed with dashes has underscores."""
    parts = (part.strip().replace("-", "_") for part in (text or "").split(","))
    return tuple(part for part in parts if part)


def write_plot(request: CompareRequest, groups: Sequence[Group]) -> None:
    """Draw what `--plot` and `--plot-by` ask for. Raises RequestError, StorageError."""
    from kextract.reports import plots

    path = request.plot
    assert path is not None, "there is something to draw"
    plots.check_plot(path)
    check_place(path, request.overwrite, "--plot")
    match request.plot_by:
        case "epoch":
            figure = plots.curves(groups)
        case "parameters":
            figure = plots.size_against_accuracy(plots.size_points(groups))
        case _:
            figure = plots.questions_against_accuracy(groups)
    image = plots.render(figure, path.suffix.lower().removeprefix("."))
    with atomic_write(path, request.overwrite) as temporary:
        temporary.write_bytes(image)
