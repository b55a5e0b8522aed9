"""Images synthesized from a teacher, to be looked at or to be kept; no student is taught."""

from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kextract import runtime
from kextract.config import DistillConfig, InversionConfig, SynthesisConfig
from kextract.config.requests import SynthesizeRequest
from kextract.config.resolve import Invocation
from kextract.display import Display, RunHeader
from kextract.errors import RequestError
from kextract.records import Event
from kextract.reports import class_grid
from kextract.runs.opening import Teacher, check_options_are_used, open_teacher
from kextract.runs.outputs import drawn_file, output_path
from kextract.runs.pictures import write_picture
from kextract.storage import CheckpointInfo, atomic_write, check_place
from kextract.text import counted

if TYPE_CHECKING:
    from kextract.methods.synthesis import Synthesized

MAX_PIXELS = 1 << 28
"""Most pixels of a picture."""
FOLLOWED = 0.5
"""Share of images below which requests for classes had little effect."""


def run_synthesis(invocation: Invocation[SynthesizeRequest], display: Display) -> None:
    """Train a generator against a teacher, draw images of every class, and write them.

    A `.png` is a picture with a row for each class; an `.npz` holds `x`, uint8 (n, h, w, c), the
    requested classes `y`, int64 (n,), and the teacher's probabilities `probabilities`, float32
    (n, k). No data set is looked at, unless the file does not say what it is.
    """
    request = invocation.request
    path = output_path(request.output, drawn_file(request.teacher), invocation.values)
    opened = prepare_synthesis(request)
    info = opened.info
    _check_output(path, info, request.synthesis)
    check_place(path, request.overwrite)
    drawing = draw(request, opened)
    with display:
        for text in opened.doubts:
            display.note(text)
        display.start(_header(invocation, info))
        for text in opened.notes:
            display.note(text)
        drawn = _shown(display, drawing)
        if request.generator.class_weight and drawn.metrics.requested < FOLLOWED:
            display.note(
                f"only {drawn.metrics.requested:.0%} of the images are predicted as requested, and"
                f" chance is {1 / info.classes:.0%}: try more --steps, a higher --class-weight"
                " or a lower --batch-norm-weight"
            )
        for text in opened.doubts:
            display.note(text)
        _write(path, drawn, info, request.synthesis, overwrite=request.overwrite)
        metrics = {
            name: value for name, value in asdict(drawn.metrics).items() if value is not None
        }
        display.finish((), {"images": str(path), **metrics})


def prepare_synthesis(request: SynthesizeRequest, teacher: Teacher | None = None) -> Teacher:
    """Open the teacher, unless Python has it in memory. Raises RequestError."""
    runtime.limit_threads(request.machine.threads)
    if teacher is None:
        teacher = open_teacher(
            request.teacher,
            request.external,
            request.machine,
            dataset=request.dataset,
            data="unwanted",
            precision=request.precision,
        )
        check_options_are_used(request.external, teacher)
    return teacher


def draw(request: SynthesizeRequest, teacher: Teacher) -> "Generator[Event, None, Synthesized]":
    """Refuse a teacher that nothing can be synthesized from; then return what draws images."""
    runtime.start()
    from kextract.methods.base import MethodContext
    from kextract.methods.synthesis import check_losses, synthesize_classes
    from kextract.models.batch_norm import frozen

    config = DistillConfig(
        method="inversion",
        inversion=InversionConfig(**asdict(request.generator)),
        seed=request.seed,
        precision=runtime.resolve_precision(request.precision),
    )
    network, _ = teacher.load(config.precision)
    context = MethodContext(frozen(network, batch_statistics=False), network, None, config)
    check_losses(context)
    size = request.synthesis
    return synthesize_classes(context, size.steps, size.per_class)


def _shown(display: Display, drawing: "Generator[Event, None, Synthesized]") -> "Synthesized":
    """Show every event on the way and return what there is at the end."""
    while True:
        try:
            display.show(next(drawing))
        except StopIteration as end:
            drawn: Synthesized = end.value
            return drawn


def _check_output(path: Path, info: CheckpointInfo, size: SynthesisConfig) -> None:
    if path.suffix.lower() not in (".png", ".npz"):
        raise RequestError(f"--output: '{path}' must end in .png, for a picture, or in .npz")
    height, width, _ = info.input_shape
    pixels = info.classes * size.per_class * height * width * size.zoom**2
    if path.suffix.lower() == ".png" and pixels > MAX_PIXELS:
        raise RequestError(
            f"--per-class {size.per_class}: {info.classes} classes at --zoom {size.zoom} make a"
            f" picture of {pixels >> 20} million pixels, at most {MAX_PIXELS >> 20} are drawn; ask"
            " for fewer, or for an .npz"
        )


def _write(
    path: Path,
    drawn: "Synthesized",
    info: CheckpointInfo,
    size: SynthesisConfig,
    *,
    overwrite: bool,
) -> None:
    if path.suffix.lower() == ".png":
        grid = class_grid(drawn.images, drawn.classes, info.classes, size.per_class, zoom=size.zoom)
        write_picture(path, grid, overwrite=overwrite)
        return
    with atomic_write(path, overwrite) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            x=drawn.images,
            y=drawn.classes,
            probabilities=drawn.probabilities,
        )


def _header(invocation: Invocation[SynthesizeRequest], info: CheckpointInfo) -> RunHeader:
    request = invocation.request
    size, batch = request.synthesis, request.generator.synthesis_batch_size
    of_images = f" of {counted(batch, 'image')}" if batch else ""
    return RunHeader(
        title=f"images synthesized from {request.teacher.name}",
        subtitle=f"{size.per_class} of each of {info.classes} classes, {size.steps} steps"
        f"{of_images}, {runtime.resolve_precision(request.precision)}, seed {request.seed}",
        epochs=0,
        columns=(),
        command=invocation.command_line(),
    )
