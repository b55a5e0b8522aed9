"""Images drawn out of a teacher, to be looked at or to be kept; nobody is taught with them."""

from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kextract import runtime
from kextract.config import DistillConfig, SynthesisConfig
from kextract.display import Display, RunHeader
from kextract.errors import RequestError
from kextract.models.input_range import InputRange
from kextract.records import Event
from kextract.reports import class_grid
from kextract.runs.common import command_line
from kextract.runs.outputs import drawn_file, output_path
from kextract.runs.pictures import write_picture
from kextract.runs.subject import Subject, check_range_is_used, open_subject
from kextract.storage import CheckpointInfo, atomic_write, check_place, read_info
from kextract.storage.archive import is_archive

if TYPE_CHECKING:
    from kextract.transfer.inversion.drawing import Drawn

MAX_PIXELS = 1 << 28
"""Most pixels of a picture."""


def run_synthesis(
    config: DistillConfig,
    wished: SynthesisConfig,
    display: Display,
    *,
    teacher: Path,
    model: str | None,
    pooling: str | None,
    dataset: str | None,
    threads: int | None,
    data_dir: Path | None,
    output: Path | None,
    overwrite: bool,
    input_range: InputRange | None = None,
) -> None:
    """Train a generator against a teacher, draw images of every class, and write them.

    A `.png` is a picture with a row for each class; an `.npz` holds `x`, uint8 (n, h, w, c), the
    requested classes `y`, int64 (n,), and the teacher's probabilities `answers`, float32 (n, k). No
    data set is looked at, unless the file does not say what it is.
    """
    path = output_path(output, drawn_file(teacher))
    runtime.limit_threads(threads)
    subject = _subject(teacher, model, pooling, dataset, data_dir, input_range, config.precision)
    info = subject.info
    _check_output(path, info, wished)
    check_place(path, overwrite)

    runtime.start()
    from kextract.models.frozen import frozen
    from kextract.transfer.inversion.drawing import check_losses, draw_classes
    from kextract.transfer.source import Setting

    config = replace(config, precision=runtime.resolve_precision(config.precision))
    network, _ = subject.load(config.precision)
    setting = Setting(frozen(network, batch_statistics=False), network, None, config)
    check_losses(setting)
    with display:
        display.start(_header(config, wished, teacher, info))
        drawn = _shown(display, draw_classes(setting, wished.steps, wished.per_class))
        _write(path, drawn, info, wished, overwrite=overwrite)
        figures = {
            name: value for name, value in asdict(drawn.figures).items() if value is not None
        }
        display.finish((), {"images": str(path), **figures})


def _shown(display: Display, drawing: "Generator[Event, None, Drawn]") -> "Drawn":
    """Show every event on the way and return what there is at the end."""
    while True:
        try:
            display.show(next(drawing))
        except StopIteration as end:
            drawn: Drawn = end.value
            return drawn


def _subject(
    path: Path,
    model: str | None,
    pooling: str | None,
    dataset: str | None,
    data_dir: Path | None,
    input_range: InputRange | None,
    precision: str,
) -> Subject:
    if model is None and dataset is None and not is_archive(path):
        info = read_info(path)
        if info is not None:
            # No data set is needed, so none is loaded.
            subject = Subject(path, info, None)
            check_range_is_used(input_range, subject)
            return subject
    subject = open_subject(
        path,
        model=model,
        pooling=pooling,
        dataset=dataset,
        data_dir=data_dir,
        needs_data=False,
        input_range=input_range,
        precision=precision,
    )
    check_range_is_used(input_range, subject)
    return subject


def _check_output(path: Path, info: CheckpointInfo, wished: SynthesisConfig) -> None:
    if path.suffix.lower() not in (".png", ".npz"):
        raise RequestError(f"--output: '{path}' must end in .png, for a picture, or in .npz")
    height, width, _ = info.input_shape
    pixels = info.classes * wished.per_class * height * width * wished.zoom**2
    if path.suffix.lower() == ".png" and pixels > MAX_PIXELS:
        raise RequestError(
            f"--per-class {wished.per_class}: {info.classes} classes at --zoom {wished.zoom} make a"
            f" picture of {pixels >> 20} million pixels, at most {MAX_PIXELS >> 20} are drawn; ask"
            " for fewer, or for an .npz"
        )


def _write(
    path: Path, drawn: "Drawn", info: CheckpointInfo, wished: SynthesisConfig, *, overwrite: bool
) -> None:
    if path.suffix.lower() == ".png":
        grid = class_grid(
            drawn.images, drawn.classes, info.classes, wished.per_class, zoom=wished.zoom
        )
        write_picture(path, grid, overwrite=overwrite)
        return
    with atomic_write(path, overwrite) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, allow_pickle=False, x=drawn.images, y=drawn.classes, answers=drawn.answers
        )


def _header(
    config: DistillConfig, wished: SynthesisConfig, teacher: Path, info: CheckpointInfo
) -> RunHeader:
    return RunHeader(
        title=f"images drawn out of {teacher.name}",
        subtitle=f"{wished.per_class} of each of {info.classes} classes, {wished.steps} steps of"
        f" {config.inversion.synthesis_batch_size} images, {config.precision}, seed {config.seed}",
        epochs=0,
        columns=(),
        command=command_line(),
    )
