"""Runs read from their checkpoints: compared, drawn, and reported on one page."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from kextract import runtime
from kextract.config.option import flag
from kextract.config.requests import CompareRequest, ReportRequest
from kextract.config.resolve import settings_of_checkpoint
from kextract.config.shared import FOLDER, ExternalModelOptions
from kextract.errors import CheckpointError, RequestError
from kextract.models.cost import Cost
from kextract.reports import Group, Run, by_fields, by_seed, find_metrics, single
from kextract.reports.page import Confusion, Entry, report_page
from kextract.reports.verdict import Sizes, verdict
from kextract.runs.opening import open_teacher
from kextract.runs.outputs import expanded, latest_picture, stem
from kextract.storage import CheckpointInfo, atomic_write, check_place, read_info
from kextract.storage.checkpoint import count_parameters
from kextract.storage.opening import identify
from kextract.text import words

SUFFIXES = (".html", ".htm")
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
    found = identify(path)
    info = found.info
    if info is None:
        raise RequestError(
            f"'{path}' is of another program, without a history to compare; measure it with"
            " evaluate"
        )
    return Run.of(stem(path), info, count_parameters(found.where)), info


def grouped(runs: Sequence[Run], group_by: str | None) -> list[Group]:
    """Take runs together as `--group-by` says. Raises UnknownNameError."""
    names = words(group_by)
    if not names:
        return by_seed(runs)
    return single(runs) if names == (ALONE,) else by_fields(runs, names)


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
            figure = plots.size_against_accuracy(groups)
        case _:
            figure = plots.questions_against_accuracy(groups)
    image = plots.render(figure, path.suffix.lower().removeprefix("."))
    with atomic_write(path, request.overwrite) as temporary:
        temporary.write_bytes(image)


def write_report(request: ReportRequest, say: Callable[[str], object] = lambda text: None) -> Path:
    """Write the page and return its path; `say` is given what is worth a line about test images.

    Raises RequestError, CheckpointError, StorageError.
    """
    path = request.output
    check_page(path, request.overwrite)
    for name in ("dataset", "class_names"):
        value = getattr(request, name)
        if value is not None and not request.measure:
            raise RequestError(f"{flag(name)} {value}: is for --measure; pass that too")
    paths = expanded(request.checkpoints)
    paths += _teachers(paths)
    entries = [_entry(checkpoint) for checkpoint in paths]
    if request.measure:
        entries = _measured(request, paths, entries, say)
    runs = [entry.run for entry in entries]
    names = words(request.columns)
    metrics = find_metrics(names, runs) if names else None
    groups = grouped(runs, request.group_by)
    write_page(path, report_page(entries, request.title or "", groups, metrics), request.overwrite)
    return path


def check_page(path: Path, overwrite: bool) -> None:
    """Refuse a file that no page can be written to. Raises RequestError."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"--output: '{path}' must end in .html")
    check_place(path, overwrite)


def write_page(path: Path, page: str, overwrite: bool) -> None:
    """Write a page, whole or not at all. Raises StorageError."""
    with atomic_write(path, overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _entry(path: Path) -> Entry:
    run, info = read_run(path)
    picture = latest_picture(path) if info.kind == "student" else None
    sizes = Sizes(Cost(run.parameters or 0, 0))
    judged = str(verdict(info, sizes, str(path), info.teacher or "TEACHER")) if info.history else ""
    return Entry(
        run, info, path.stat().st_size, settings_of_checkpoint(info), picture, verdict=judged
    )


def _teachers(paths: Sequence[Path]) -> list[Path]:
    """Find the teachers that are not among the checkpoints, by their names and hashes."""
    infos = {path: read_info(path) for path in paths}
    known = {info.sha256 for info in infos.values() if info is not None}
    found = []
    for path, info in infos.items():
        if info is None or not info.teacher or not info.teacher_sha256:
            continue
        if info.teacher_sha256 in known:
            continue
        # The name comes from a file: it must not lead out of these folders.
        name = PurePath(info.teacher).name
        for candidate in (path.parent / name, FOLDER / name):
            if candidate.is_file() and _sha256(candidate) == info.teacher_sha256:
                found.append(candidate)
                known.add(info.teacher_sha256)
                break
    return found


def _sha256(path: Path) -> str | None:
    try:
        info = read_info(path)
    except CheckpointError:
        return None
    return info.sha256 if info else None


def _measured(
    request: ReportRequest,
    paths: Sequence[Path],
    entries: Sequence[Entry],
    say: Callable[[str], object],
) -> list[Entry]:
    """Run every model on its test images."""
    runtime.limit_threads(request.machine.threads)
    external = ExternalModelOptions(class_names=request.class_names)
    opened = [
        open_teacher(path, external, request.machine, dataset=request.dataset, needs_data=True)
        for path in paths
    ]
    told = (note for model in opened for note in model.all_notes)
    for note in dict.fromkeys(told):
        say(note)
    runtime.start()
    from kextract.models.cost import cost_of
    from kextract.training.evaluation import Predictor

    measured = []
    for entry, model in zip(entries, opened, strict=True):
        network, _ = model.load("float32")
        confusion, data = None, model.data
        if data is not None and data.x_test is not None and data.y_test is not None:
            predictions = Predictor(network).logits(data.x_test).argmax(axis=-1)
            confusion = Confusion.of(predictions, data.y_test, data.class_names)
        adds = cost_of(network).multiply_adds
        measured.append(replace(entry, multiply_adds=adds, confusion=confusion))
    return measured
