"""One whole distillation: from a teacher's checkpoint to a student's."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kextract import runtime
from kextract.config import DistillConfig, Holdout
from kextract.display import Display, RunHeader
from kextract.errors import RequestError
from kextract.models import model_pooling
from kextract.runs.common import command_line, final_scores, follow, outcome
from kextract.runs.keeping import flags, images_sha256, kept
from kextract.runs.outputs import output_path, student_file
from kextract.runs.parts import check_shift, cut, holdout_of
from kextract.runs.subject import Subject, open_subject
from kextract.storage import CheckpointInfo, model_sha256, write_checkpoint
from kextract.storage.loading import load_model
from kextract.transfer import MethodSpec, method_spec

TIMES = ("synthesis_seconds", "student_seconds", "evaluation_seconds")


def run_student(
    config: DistillConfig,
    display: Display,
    *,
    teacher: Path,
    student: str | None,
    model: str | None,
    pooling: str | None,
    dataset: str | None,
    threads: int | None,
    data_dir: Path | None,
    output: Path | None,
    overwrite: bool,
    resume: bool = False,
) -> None:
    """Teach a student, measure it on the test images once, and write its checkpoint.

    All that can be refused is refused before the work begins. Where no data set can be had, the
    student is taught all the same and only what needs no data is measured. Every finished epoch is
    kept; with `resume`, an unfinished run is gone on with.
    """
    spec = method_spec(config.method)
    if config.recipe not in spec.recipes:
        raise RequestError(
            f"--recipe {config.recipe}: is for noise, not for --method {config.method}; leave"
            " --recipe out"
        )
    runtime.limit_threads(threads)
    subject = open_subject(
        teacher,
        model=model,
        pooling=pooling,
        dataset=dataset,
        data_dir=data_dir,
        needs_data=False,
    )
    info, data = subject.info, subject.data
    check_shift(config.shift, info.input_shape)
    architecture = student or info.model
    student_pooling = _student_pooling(info, architecture, pooling)
    path = output_path(output, student_file(teacher, student, config.method, config.recipe))
    with kept(path, resume=resume, overwrite=overwrite) as keeping:
        holdout = holdout_of(info.config)
        has_validation = data is not None and data.x_train is not None
        validation = cut(data, "validation", holdout) if data and has_validation else None
        images = _images(spec, subject, holdout)

        runtime.start()
        from kextract.models.build import build_model, student_seed
        from kextract.models.frozen import frozen
        from kextract.training.evaluation import Predictor
        from kextract.training.sanity import doubt_about
        from kextract.training.student import distill
        from kextract.transfer.source import Setting

        config = replace(
            config,
            precision=runtime.resolve_precision(config.precision),
            flip=info.flip if config.flip is None else config.flip,
        )
        teacher_network = load_model(teacher, info, precision=config.precision)
        teacher_sha256 = model_sha256(teacher_network)
        teacher_logits = Predictor(teacher_network).logits(validation.x) if validation else None
        network = build_model(
            architecture,
            info.input_shape,
            info.classes,
            pooling=student_pooling,
            precision=config.precision,
            seed=student_seed(config.seed),
        )
        answers = frozen(teacher_network, batch_statistics=config.recipe == "article")
        doubt = doubt_about(answers, teacher, info.input_shape, validation, teacher_logits)
        source = spec.make(Setting(answers, teacher_network, network, config, images))
        request = {
            "--student": architecture,
            "--pooling": student_pooling,
            "--dataset": data.name if data and validation else None,
            **flags(asdict(config)),
            "teacher with SHA-256": teacher_sha256,
            "images with SHA-256": images_sha256(validation),
        }
        if config.schedule == "constant":
            # A longer run then begins as a shorter one does.
            del request["--epochs"]
        earlier = keeping.begin(request, config.epochs)
        with display:
            display.start(
                _header(config, spec, teacher, architecture, measured=validation is not None)
            )
            if data is None:
                display.note(f"no images to measure on, going on without: {subject.missing}")
            if doubt:
                display.note(doubt)
            events = distill(
                answers,
                network,
                source,
                config,
                validation,
                teacher_logits,
                resume=earlier,
                snapshots=True,
            )
            history = follow(display, events, keep=keeping.keep, resume=earlier)
            test = final_scores(network, data, teacher_network)
            student_info = replace(
                info,
                kind="student",
                model=architecture,
                pooling=student_pooling,
                seed=config.seed,
                precision=config.precision,
                config={**asdict(config), "holdout": asdict(holdout), "command": command_line()},
                history=history,
                teacher=teacher.name,
                teacher_sha256=teacher_sha256,
                test=test,
            )
            write_checkpoint(path, network, student_info, overwrite=overwrite)
            keeping.end()
            display.finish(history, outcome(path, test))


def _student_pooling(info: CheckpointInfo, architecture: str, wished: str | None) -> str:
    """Say how a student pools: as wished, or as a teacher of the same architecture does."""
    if architecture == info.model and wished is None:
        return info.pooling
    return model_pooling(architecture, info.input_shape, wished)


def _images(spec: MethodSpec, subject: Subject, holdout: Holdout) -> NDArray[np.uint8] | None:
    """Return the images that a method is taught with, where it needs some."""
    if spec.images == "own":
        if subject.data is None:
            raise RequestError(f"--method real: needs the teacher's images: {subject.missing}")
        return cut(subject.data, "train", holdout).x
    return None


def _header(
    config: DistillConfig, spec: MethodSpec, teacher: Path, student: str, *, measured: bool
) -> RunHeader:
    return RunHeader(
        title=f"student {student} of {teacher.name}, by {config.method}",
        subtitle=f"{config.recipe} recipe, {config.epochs} epochs of {config.steps_per_epoch}"
        f" updates of {config.batch_size} images, {config.precision}, seed {config.seed}",
        epochs=config.epochs,
        columns=columns(spec, measured=measured),
        command=command_line(),
    )


def columns(spec: MethodSpec, *, measured: bool) -> tuple[str, ...]:
    """Name what an epoch shows, what matters first: a narrow terminal leaves out the last."""
    quality = ("loss", "accuracy", "agreement") if measured else ("transfer_agreement",)
    return ("epoch", *quality, *TIMES, *spec.columns, "train_loss", "seconds")
