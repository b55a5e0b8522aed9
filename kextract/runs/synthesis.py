"""Images that are made up, drawn and written: of a teacher alone, or while a student is taught."""

import os
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.config import DistillConfig, InversionConfig, SynthesisConfig
from kextract.config.requests import SynthesizeRequest
from kextract.config.resolve import Invocation
from kextract.datasets.image_files import png_bytes
from kextract.datasets.images import Pixels, scale
from kextract.display import Display, RunHeader
from kextract.errors import RequestError
from kextract.records import EpochRecord, Event, Picture
from kextract.runs.opening import Teacher, check_options_are_used, look, open_teacher
from kextract.runs.outputs import drawn_file, output_path, picture_file
from kextract.runs.run import Work
from kextract.storage import CheckpointInfo, atomic_write, check_place
from kextract.storage.opening import Identified
from kextract.text import counted

if TYPE_CHECKING:
    from kextract.methods.base import Classifier, Method
    from kextract.methods.inversion import Synthesized
    from kextract.runs.student import StudentRun

MAX_PIXELS = 1 << 28
"""Most pixels of a picture."""
FOLLOWED = 0.5
"""Share of images below which requests for classes had little effect."""
COLUMNS = 10
"""Images of a class in the picture of an epoch."""
LOOKED_AT = 1024
"""Images that those are chosen from."""
ZOOM = 2
WHITE = 255
SHOWN, MARGIN = 30, 48
"""Images on each side of a picture of what was learned, and pixels between the sides."""


def run_synthesis(invocation: Invocation[SynthesizeRequest], display: Display) -> None:
    """Train a generator against a teacher, draw images of every class, and write them.

    A `.png` is a picture with a row for each class; an `.npz` holds `x`, uint8 (n, h, w, c), the
    requested classes `y`, int64 (n,), and the teacher's probabilities `probabilities`, float32
    (n, k). No data set is looked at, unless the file does not say what it is.
    """
    request = invocation.request
    path = output_path(request.output, drawn_file(request.teacher), invocation.values)
    if path.suffix.lower() not in (".png", ".npz"):
        raise RequestError(f"--output: '{path}' must end in .png, for a picture, or in .npz")
    seen = look(request.teacher)
    check_place(path, request.overwrite)
    work = Synthesis(invocation, seen)
    info = work.teacher.info
    if path.suffix.lower() == ".png":
        _check_pixels(info, request.synthesis)
    with display:
        drawn = work.shown(display)
        if request.generator.class_weight and drawn.metrics.requested < FOLLOWED:
            display.note(
                f"only {drawn.metrics.requested:.0%} of the images are predicted as requested, and"
                f" chance is {1 / info.classes:.0%}: try more --steps, a higher --class-weight"
                " or a lower --batch-norm-weight"
            )
        _write(path, drawn, info, request.synthesis, overwrite=request.overwrite)
        metrics = {
            name: value for name, value in asdict(drawn.metrics).items() if value is not None
        }
        display.finish((), {"images": str(path), **metrics})


class Synthesis(Work["Synthesized"]):
    """Images of every class, synthesized from a teacher."""

    def __init__(
        self, invocation: Invocation[SynthesizeRequest], teacher: Teacher | Identified | None = None
    ) -> None:
        """Open the teacher, unless Python has it in memory. Raises RequestError."""
        self._invocation = invocation
        self._request = request = invocation.request
        runtime.limit_threads(request.machine.threads)
        if not isinstance(teacher, Teacher):
            teacher = open_teacher(
                teacher or request.teacher,
                request.external,
                request.machine,
                dataset=request.dataset,
                precision=request.precision,
            )
            check_options_are_used(request.external, teacher)
        self.teacher = teacher

    @property
    def header(self) -> RunHeader:
        """Say of whom, and how many."""
        request = self._request
        size, batch = request.synthesis, request.generator.synthesis_batch_size
        of_images = f" of {counted(batch, 'image')}" if batch else ""
        return RunHeader(
            title=f"images synthesized from {request.teacher.name}",
            subtitle=f"{size.per_class} of each of {self.teacher.info.classes} classes,"
            f" {size.steps} steps{of_images}, {runtime.resolve_precision(request.precision)},"
            f" seed {request.seed}",
            epochs=0,
            columns=(),
            command=self._invocation.command_line(),
        )

    def events(self) -> "Generator[Event, None, Synthesized]":
        """Refuse a teacher that nothing can be synthesized from; then return what draws images."""
        runtime.start()
        from kextract.methods.base import MethodContext
        from kextract.methods.inversion import check_losses, synthesize_classes
        from kextract.models.batch_norm import frozen

        request = self._request
        config = DistillConfig(
            method="inversion",
            inversion=InversionConfig(**asdict(request.generator)),
            seed=request.seed,
            precision=runtime.resolve_precision(request.precision),
        )
        network, _ = self.teacher.load(config.precision)
        context = MethodContext(frozen(network, batch_statistics=False), network, None, config)
        check_losses(context)
        return synthesize_classes(context, request.synthesis.steps, request.synthesis.per_class)


def _check_pixels(info: CheckpointInfo, size: SynthesisConfig) -> None:
    height, width, _ = info.input_shape
    pixels = info.classes * size.per_class * height * width * size.zoom**2
    if pixels > MAX_PIXELS:
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


def image_grid(images: Pixels, columns: int, gap: int = 2, zoom: int = 1) -> Pixels:
    """Lay images, uint8 (n, h, w, c), out row by row on white: uint8 (height, width, c).

    `gap` is in pixels of the result, between images only; `zoom` repeats each pixel.
    """
    pixels = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, height, width, channels = pixels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    grid = np.full(shape, WHITE, np.uint8)
    for index, image in enumerate(pixels):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def class_grid(
    images: Pixels,
    labels: NDArray[np.integer[Any]],
    classes: int,
    columns: int,
    gap: int = 2,
    zoom: int = 1,
) -> Pixels:
    """Lay images (n, h, w, c) out with a row for each class, the first `columns` of each.

    `labels` (n,) are from 0 to `classes` - 1. Where a class has fewer images the row stays white.
    See `image_grid` for the rest.
    """
    cells = np.full((classes, columns, *images.shape[1:]), WHITE, np.uint8)
    for label, row in enumerate(cells):
        chosen = images[labels == label][:columns]
        row[: len(chosen)] = chosen
    return image_grid(cells.reshape(-1, *images.shape[1:]), columns, gap, zoom)


def write_picture(path: Path, grid: Pixels, *, overwrite: bool) -> None:
    """Write uint8 (h, w, 1 or 3) as PNG, whole or not at all. Raises StorageError."""
    with atomic_write(path, overwrite) as temporary:
        temporary.write_bytes(png_bytes(grid))


def check_pictures(output: Path, every: int, epochs: int) -> None:
    """Refuse, before the work begins, to replace the pictures of an earlier run."""
    for epoch in range(every, epochs + 1, every) if every else ():
        path = picture_file(output, epoch)
        if os.path.lexists(path):
            raise RequestError(f"--save-images: '{path}' exists already; pass --overwrite")


def with_pictures(
    events: Iterator[Event],
    method: "Method",
    classifier: "Classifier",
    output: Path | None,
    every: int,
) -> Iterator[Event]:
    """Pass events on, and before every so many epochs' records a `Picture` of the method's images.

    Each image is in the row of the class that the teacher predicts. With an `output` the pictures
    are written beside it. What is drawn has no part in the run: the method is not changed.
    """
    for event in events:
        if isinstance(event, EpochRecord) and event.epoch and event.epoch % every == 0:
            images = method.samples(LOOKED_AT)
            logits = np.asarray(classifier(scale(images)))
            grid = class_grid(images, logits.argmax(axis=-1), logits.shape[-1], COLUMNS, zoom=ZOOM)
            if output is not None:
                write_picture(picture_file(output, event.epoch), grid, overwrite=True)
            yield Picture(event.epoch, grid)
        yield event


def write_what_was_learned(run: "StudentRun", output: Path) -> tuple[int, int]:
    """Put images that a student was taught with beside test images that it predicts right.

    Returns how many of how many those are.
    """
    from kextract.training.evaluation import Predictor

    data = run.teacher.data
    assert data is not None and data.x_test is not None and data.y_test is not None
    predicted = Predictor(run.network).logits(data.x_test).argmax(axis=-1)
    right = predicted == data.y_test
    sides = run.source.samples(SHOWN), data.x_test[right][:SHOWN]
    grids = [image_grid(images, COLUMNS, zoom=ZOOM) for images in sides if len(images)]
    # A student may know too few to fill its side.
    height = max(map(len, grids))
    parts = [
        np.pad(grid, ((0, height - len(grid)), (0, MARGIN), (0, 0)), constant_values=WHITE)
        for grid in grids
    ]
    write_picture(output, np.concatenate(parts, axis=1)[:, :-MARGIN], overwrite=True)
    return int(right.sum()), len(right)
