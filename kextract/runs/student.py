"""One whole distillation: from a teacher's checkpoint to a student's."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from kextract import runtime
from kextract.config import DistillConfig
from kextract.display import Display, RunHeader
from kextract.errors import RequestError
from kextract.models import model_pooling
from kextract.models.input_range import InputRange
from kextract.runs.common import command_line, final_scores, follow, outcome
from kextract.runs.keeping import flags, images_sha256, kept
from kextract.runs.outputs import output_path, student_file
from kextract.runs.parts import check_shift, cut, holdout_of
from kextract.runs.pictures import check_pictures, with_pictures
from kextract.runs.subject import check_range_is_used, open_subject
from kextract.runs.transfer import checked_methods, transfer_images
from kextract.storage import CheckpointInfo, sha256_of_tensors, write_checkpoint
from kextract.storage.archive import is_archive
from kextract.transfer import MethodSpec, make_source

COLLAPSED = (
    "the generator collapsed in the last epoch (its images look or are answered alike): what the"
    " student learned before stays; try another --seed or a lower --generator-learning-rate"
)
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
    images: str | None = None,
    save_images: int = 0,
    input_range: InputRange | None = None,
) -> None:
    """Teach a student, measure it on the test images once, and write its checkpoint.

    All that can be refused is refused before the work begins. Where no data set can be had, the
    student is taught all the same and only what needs no data is measured. Every finished epoch is
    kept; with `resume`, an unfinished run is gone on with. `images` says which ones a surrogate
    method is taught with; every `save_images` epochs a picture of the images is written.
    """
    specs = checked_methods(config, images)
    runtime.limit_threads(threads)
    _check_own_architecture(teacher, student, config.recipe)
    subject = open_subject(
        teacher,
        model=model,
        pooling=pooling,
        dataset=dataset,
        data_dir=data_dir,
        needs_data=False,
        input_range=input_range,
        precision=config.precision,
    )
    check_range_is_used(input_range, subject)
    info, data = subject.info, subject.data
    check_shift(config.shift, info.input_shape)
    architecture = student or info.model
    student_pooling = _student_pooling(info, architecture, pooling)
    path = output_path(
        output, student_file(teacher, student, config.method, config.recipe, config.mix)
    )
    with kept(path, resume=resume, overwrite=overwrite) as keeping:
        if not (overwrite or resume):
            check_pictures(path, save_images, config.epochs)
        holdout = holdout_of(info.config)
        has_validation = data is not None and data.x_train is not None
        validation = cut(data, "validation", holdout) if data and has_validation else None
        given = transfer_images(config, images, subject, holdout, data_dir)

        runtime.start()
        from kextract.models.build import build_model, student_seed
        from kextract.models.frozen import frozen
        from kextract.training.evaluation import Predictor
        from kextract.training.sanity import doubt_about
        from kextract.training.student import distill
        from kextract.transfer.source import Setting
        from kextract.transfer.watched import Watched

        config = replace(
            config,
            precision=runtime.resolve_precision(config.precision),
            flip=info.flip if config.flip is None else config.flip,
        )
        teacher_network, teacher_sha256 = subject.load(config.precision)
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
        setting = Setting(answers, teacher_network, network, config)
        source = Watched(make_source(setting, given))
        request = {
            "--student": architecture,
            "--pooling": student_pooling,
            "--dataset": data.name if data and validation else None,
            **flags(asdict(config)),
            "--input-range": str(input_range) if input_range else None,
            "teacher with SHA-256": teacher_sha256,
            "images with SHA-256": images_sha256(validation),
            "transfer images with SHA-256": sha256_of_tensors(given) if given else None,
        }
        if config.schedule == "constant":
            # A longer run then begins as a shorter one does.
            del request["--epochs"]
        earlier = keeping.begin(request, config.epochs)
        with display:
            display.start(
                _header(config, specs, teacher, architecture, measured=validation is not None)
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
            if save_images:
                events = with_pictures(events, source, answers, path, save_images)
            history = follow(display, events, keep=keeping.keep, resume=earlier)
            if "collapsed" in history[-1].details:
                display.note(COLLAPSED)
            test = final_scores(network, data, teacher_network)
            student_info = replace(
                info,
                kind="student",
                model=architecture,
                pooling=student_pooling,
                seed=config.seed,
                precision=config.precision,
                config={
                    **asdict(config),
                    "images": images,
                    "holdout": asdict(holdout),
                    "command": command_line(),
                },
                history=history,
                teacher=teacher.name,
                teacher_sha256=teacher_sha256,
                test=test,
            )
            write_checkpoint(path, network, student_info, overwrite=overwrite)
            keeping.end()
            display.finish(history, outcome(path, test))


def _check_own_architecture(teacher: Path, student: str | None, recipe: str) -> None:
    """Refuse what cannot be done with a teacher whose architecture is in its file."""
    if not is_archive(teacher):
        return
    if student is None:
        raise RequestError(
            f"'{teacher}' holds an architecture of its own: name the student's with --student,"
            " such as --student lenet5"
        )
    if recipe == "article":
        raise RequestError(
            f"--recipe article: it normalizes by batch statistics, as is done with kextract's own"
            f" networks only; leave --recipe out for '{teacher}'"
        )


def _student_pooling(info: CheckpointInfo, architecture: str, wished: str | None) -> str:
    """Say how a student pools: as wished, or as a teacher of the same architecture does."""
    if architecture == info.model and wished is None:
        return info.pooling
    return model_pooling(architecture, info.input_shape, wished)


def _header(
    config: DistillConfig,
    specs: Mapping[str, MethodSpec],
    teacher: Path,
    student: str,
    *,
    measured: bool,
) -> RunHeader:
    return RunHeader(
        title=f"student {student} of {teacher.name}, by {' and '.join(specs)}",
        subtitle=f"{config.recipe} recipe, {config.epochs} epochs of {config.steps_per_epoch}"
        f" updates of {config.batch_size} images, {config.precision}, seed {config.seed}",
        epochs=config.epochs,
        columns=columns(specs, measured=measured),
        command=command_line(),
    )


def columns(specs: Mapping[str, MethodSpec], *, measured: bool) -> tuple[str, ...]:
    """Name what an epoch shows, what matters first: a narrow terminal leaves out the last."""
    quality = ("loss", "accuracy", "agreement") if measured else ("transfer_agreement",)
    # A figure of two methods is shown once, see `Mixed.figures`.
    drawn = dict.fromkeys(name for spec in specs.values() for name in spec.columns)
    return ("epoch", *quality, *TIMES, *drawn, "train_loss", "seconds")
