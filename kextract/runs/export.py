"""A checkpoint for other programs and devices: from its file to a file that was checked."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.config import DistillConfig, SynthesisConfig
from kextract.config.requests import ExportRequest
from kextract.config.resolve import OPTIONS, Invocation
from kextract.datasets.transfer_images import check_is_there, load_transfer_images
from kextract.display import Display, RunHeader
from kextract.errors import RequestError
from kextract.exports.formats import FORMATS, ExportTarget, check_installed, format_of
from kextract.exports.report import ExportReport
from kextract.models.input_range import PIXELS, Preprocessing, parse_input_range
from kextract.records import Event, Note
from kextract.runs.opening import Teacher, check_options_are_used, look, open_teacher, with_its_data
from kextract.runs.outputs import export_file
from kextract.runs.run import shown
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


@dataclass(frozen=True)
class ExportPlan:
    """An export in which nothing is left to refuse without TensorFlow."""

    opened: Teacher
    target: ExportTarget
    output: Path
    given: Pixels | None
    """Images of --calibrate."""
    about_images: tuple[str, ...] = ()
    """What is worth a line about the images that the file is calibrated and checked on."""


def run_export(invocation: Invocation[ExportRequest], display: Display) -> ExportReport:
    """Write a checkpoint in the requested format, after its own runtime has run it.

    Raises RequestError for what cannot be, GateError for a file that does not answer as the
    checkpoint does; nothing is written then.
    """
    request = invocation.request
    plan = prepare_export(request)
    with display:
        report = shown(write(request, plan), display, _header(invocation, plan), plan.opened)
        display.finish((), {})
        return report


def prepare_export(request: ExportRequest, opened: Teacher | None = None) -> ExportPlan:
    """Refuse what cannot be and open the checkpoint, unless Python has the network in memory."""
    arithmetic = _arithmetic(request)
    format = request.format or _format(request, arithmetic)
    check_installed(format)
    runtime.limit_threads(request.machine.threads)
    seen = look(request.checkpoint) if opened is None else None
    output = request.output or export_file(request.checkpoint, format, arithmetic)
    if FORMATS[format].is_folder:
        check_folder(output, request.overwrite)
    else:
        check_place(output, request.overwrite)
    if request.calibrate is not None:
        if arithmetic != "int8":
            raise RequestError(f"--calibrate {request.calibrate}: is for --int8")
        check_is_there(request.calibrate, "--calibrate")
    if opened is None:
        opened = open_teacher(
            seen or request.checkpoint, request.external, request.machine, dataset=request.dataset
        )
        check_options_are_used(replace(request.external, input_range=None), opened)
        opened = with_its_data(opened, request.machine)
    taken = _input_range(request, opened)
    taken.check_fits(opened.info.input_shape)
    target = ExportTarget(
        format,
        arithmetic,
        _outputs(request, opened),
        taken,
        opened.info.class_names,
        request.min_agreement,
        opened.by_label,
    )
    given, notes = None, list(opened.data.notes if opened.data else ())
    if request.calibrate is not None:
        given = load_transfer_images(
            request.calibrate,
            request.machine.data_dir,
            opened.info.input_shape,
            flag="--calibrate",
            say=notes.append,
        )
    return ExportPlan(opened, target, output, given, tuple(notes))


def write(request: ExportRequest, plan: ExportPlan) -> Generator[Event, None, ExportReport]:
    """Draw the images that are needed, write the file and check it; yields progress."""
    runtime.start()
    from kextract.exports.exporting import CheckImages, export_model
    from kextract.models.cloning import check_can_be_copied

    network, _ = plan.opened.load("float32")
    check_can_be_copied(network)
    for text in plan.about_images:
        yield Note(text)
    shown, calibration, kind = yield from _images(request, plan)
    checks = [CheckImages(kind, shown), *_test_images(plan.opened)]
    return export_model(
        network,
        plan.output,
        plan.target,
        checks=checks,
        calibration=calibration,
        calibrated_on=kind,
        overwrite=request.overwrite,
    )


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


def _images(
    request: ExportRequest, plan: ExportPlan
) -> Generator[Event, None, tuple[Pixels, Pixels | None, str]]:
    """Give images to check the file on, others to calibrate on, and what they are called."""
    from kextract.exports.calibration import calibration_images, is_quick, procedural_images
    from kextract.methods.base import MethodContext
    from kextract.models.batch_norm import frozen
    from kextract.models.statistics import batch_norm_layers

    if plan.given is not None:
        random = random_generator(Stream.CHECKED, request.seed)
        chosen = plan.given[random.permutation(len(plan.given))[: CALIBRATED + CHECKED]]
        held = max(1, len(chosen) * CHECKED // (CALIBRATED + CHECKED))
        return chosen[:held], chosen[held:] if len(chosen) > 1 else chosen, "given"
    precision = runtime.resolve_precision("auto")
    network, _ = plan.opened.load(precision)
    config = DistillConfig(method="inversion", seed=request.seed, precision=precision)
    context = MethodContext(frozen(network, batch_statistics=False), network, None, config)
    if plan.target.arithmetic != "int8":
        return (yield from procedural_images(context, CHECKED)), None, "procedural"
    steps = SynthesisConfig().steps
    drawn = yield from calibration_images(context, CALIBRATED + CHECKED, steps=steps)
    inverted = batch_norm_layers(network) and is_quick(context)
    kind = "drawn and procedural" if inverted else "procedural"
    return drawn[:CHECKED], drawn[CHECKED:], kind


def _test_images(opened: Teacher) -> "list[CheckImages]":
    from kextract.exports.exporting import CheckImages

    data: Any = opened.data
    if data is None or data.x_test is None or data.y_test is None:
        return []
    chosen = random_generator(Stream.CHECKED, 0).permutation(len(data.x_test))[:TESTED]
    return [CheckImages("test", data.x_test[chosen], data.y_test[chosen])]


def _header(invocation: Invocation[ExportRequest], plan: ExportPlan) -> RunHeader:
    return RunHeader(
        title=f"{invocation.request.checkpoint.name} for other programs",
        subtitle=f"{plan.target.format}, {plan.target.arithmetic}, {plan.target.outputs} of pixels"
        f" from {plan.target.input_range}",
        epochs=0,
        columns=(),
        command=invocation.command_line(),
    )
