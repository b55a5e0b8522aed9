"""A checkpoint for other programs and devices: from its file to a file that was checked."""

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.config import DistillConfig, SynthesisConfig
from kextract.config.requests import ExportRequest
from kextract.config.resolve import OPTIONS, Invocation
from kextract.datasets.transfer_images import check_is_there, load_transfer_images
from kextract.display import RunHeader
from kextract.errors import RequestError
from kextract.exports.formats import FORMATS, ExportTarget, check_installed, format_of
from kextract.exports.report import ExportReport
from kextract.models.input_range import PIXELS, Preprocessing, parse_input_range
from kextract.records import Event, Note, Progress
from kextract.runs.opening import Teacher, check_options_are_used, look, open_teacher, with_its_data
from kextract.runs.outputs import export_file
from kextract.runs.run import Work
from kextract.seeds import Stream, random_generator
from kextract.storage import check_place
from kextract.storage.atomic import check_folder

if TYPE_CHECKING:
    from kextract.exports.exporting import CheckImages

Pixels = NDArray[np.uint8]

CALIBRATED = 512
"""Images that integers are calibrated on."""
CHECKED = 256
"""Other images of the same kind that file and checkpoint must agree on."""
TESTED = 2000
"""Test images that both are asked about, at most; a runtime takes them one by one."""


class Export(Work[ExportReport]):
    """A network as a file for other programs, after its own runtime has run it."""

    def __init__(
        self, invocation: Invocation[ExportRequest], teacher: Teacher | None = None
    ) -> None:
        """Refuse what cannot be and open the checkpoint, unless Python has the network in memory.

        Raises RequestError.
        """
        self._invocation = invocation
        self._request = request = invocation.request
        arithmetic = _arithmetic(request)
        format = request.format or _format(request, arithmetic)
        check_installed(format)
        runtime.limit_threads(request.machine.threads)
        seen = look(request.checkpoint) if teacher is None else None
        self._output = request.output or export_file(request.checkpoint, format, arithmetic)
        if FORMATS[format].is_folder:
            check_folder(self._output, request.overwrite)
        else:
            check_place(self._output, request.overwrite)
        if request.calibrate is not None:
            if arithmetic != "int8":
                raise RequestError(f"--calibrate {request.calibrate}: is for --int8")
            check_is_there(request.calibrate, "--calibrate")
        if teacher is None:
            teacher = open_teacher(
                seen or request.checkpoint,
                request.external,
                request.machine,
                dataset=request.dataset,
            )
            check_options_are_used(replace(request.external, input_range=None), teacher)
            teacher = with_its_data(teacher, request.machine)
        taken = _input_range(request, teacher)
        taken.check_fits(teacher.info.input_shape)
        self.teacher = teacher
        self._target = ExportTarget(
            format,
            arithmetic,
            _outputs(request, teacher),
            taken,
            teacher.info.class_names,
            request.min_agreement,
            teacher.by_label,
        )
        self._given, notes = None, list(teacher.data.notes if teacher.data else ())
        if request.calibrate is not None:
            self._given = load_transfer_images(
                request.calibrate,
                request.machine.data_dir,
                teacher.info.input_shape,
                flag="--calibrate",
                say=notes.append,
            )
        self._about_images = notes

    @property
    def header(self) -> RunHeader:
        """Say what is written."""
        target = self._target
        return RunHeader(
            title=f"{self._request.checkpoint.name} for other programs",
            subtitle=f"{target.format}, {target.arithmetic}, {target.outputs} of pixels from"
            f" {target.input_range}",
            epochs=0,
            columns=(),
            command=self._invocation.command_line(),
        )

    def events(self) -> Generator[Event, None, ExportReport]:
        """Draw the images that are needed, write the file and check it; yields progress.

        Raises GateError, with nothing written, for a file that does not answer as the checkpoint.
        """
        runtime.start()
        from kextract.exports.exporting import CheckImages, export_model
        from kextract.models.cloning import check_can_be_copied

        network, _ = self.teacher.load("float32")
        check_can_be_copied(network)
        for text in self._about_images:
            yield Note(text)
        shown, calibration, kind = yield from self._images()
        checks = [CheckImages(kind, shown), *_test_images(self.teacher)]
        yield Progress(1, "converting", 0, 1, 0)
        return export_model(
            network,
            self._output,
            self._target,
            checks=checks,
            calibration=calibration,
            calibrated_on=kind,
            overwrite=self._request.overwrite,
        )

    def _images(self) -> Generator[Event, None, tuple[Pixels, Pixels | None, str]]:
        """Give images to check the file on, others to calibrate on, and what they are called."""
        from kextract.exports.calibration import calibration_images, is_quick, procedural_images
        from kextract.methods.base import MethodContext
        from kextract.models.batch_norm import frozen
        from kextract.models.statistics import batch_norm_layers

        seed, given = self._request.seed, self._given
        if given is not None:
            random = random_generator(Stream.CHECKED, seed)
            chosen = given[random.permutation(len(given))[: CALIBRATED + CHECKED]]
            held = max(1, len(chosen) * CHECKED // (CALIBRATED + CHECKED))
            return chosen[:held], chosen[held:] if len(chosen) > 1 else chosen, "given"
        precision = runtime.resolve_precision("auto")
        network, _ = self.teacher.load(precision)
        config = DistillConfig(method="inversion", seed=seed, precision=precision)
        context = MethodContext(frozen(network, batch_statistics=False), network, None, config)
        if self._target.arithmetic != "int8":
            return (yield from procedural_images(context, CHECKED)), None, "procedural"
        steps = SynthesisConfig().steps
        drawn = yield from calibration_images(context, CALIBRATED + CHECKED, steps=steps)
        inverted = batch_norm_layers(network) and is_quick(context)
        kind = "drawn and procedural" if inverted else "procedural"
        return drawn[:CHECKED], drawn[CHECKED:], kind


def _arithmetic(request: ExportRequest) -> str:
    if request.int8 and request.float16:
        raise RequestError("--int8, --float16: choose one of them")
    return "int8" if request.int8 else "float16" if request.float16 else "float32"


def _format(request: ExportRequest, arithmetic: str) -> str:
    if request.output is not None and request.output.suffix:
        return format_of(request.output)
    if arithmetic != "float32":
        return "tflite"
    raise RequestError("--format: name the format, keras, savedmodel, tflite or onnx")


def _input_range(request: ExportRequest, opened: Teacher) -> Preprocessing:
    """Say which pixels the file takes: as requested, as another program said, or the teacher's.

    A file whose network takes images that are standardized one by one does that itself, of pixels
    from -1 to 1: what they were cannot be found out again. Raises RequestError where a network of
    ours is to take such images.
    """
    options = opened.info.config.get(OPTIONS)
    stored = options.get("input_range") if isinstance(options, Mapping) else None
    taken = opened.input_range or PIXELS
    if request.external.input_range is not None:
        taken = parse_input_range(request.external.input_range)
        if taken.per_image and opened.input_range != taken:
            raise RequestError(
                f"--input-range {taken}: '{request.checkpoint}' takes other pixels, which cannot be"
                " computed from images that are standardized one by one; name two numbers, such as"
                " 0,255"
            )
    elif isinstance(stored, str):
        taken = parse_input_range(stored)
    return PIXELS if taken.per_image else taken


def _outputs(request: ExportRequest, opened: Teacher) -> str:
    """Say what the file gives: the requested, or what the teacher, or the network itself, gave."""
    probabilities = "sigmoids" if opened.by_label else "probabilities"
    if request.softmax is not None:
        return probabilities if request.softmax else "logits"
    return probabilities if opened.outputs == probabilities else "logits"


def _test_images(opened: Teacher) -> "list[CheckImages]":
    from kextract.exports.exporting import CheckImages

    data: Any = opened.data
    if data is None or data.x_test is None or data.y_test is None:
        return []
    chosen = random_generator(Stream.CHECKED, 0).permutation(len(data.x_test))[:TESTED]
    return [CheckImages("test", data.x_test[chosen], data.y_test[chosen])]
