"""One whole training of a teacher."""

from dataclasses import asdict, replace
from pathlib import Path

from kextract import runtime
from kextract.config import Holdout, TeacherConfig
from kextract.datasets.loading import load_dataset
from kextract.display import Display, RunHeader
from kextract.models import check_input_shape, model_pooling
from kextract.runs.common import command_line, final_scores, follow, outcome
from kextract.runs.keeping import flags, images_sha256, kept
from kextract.runs.outputs import output_path, teacher_file
from kextract.runs.parts import check_shift, cut
from kextract.storage import CheckpointInfo, write_checkpoint

COLUMNS = ("epoch", "loss", "accuracy", "train_loss", "seconds")


def run_teacher(
    config: TeacherConfig,
    display: Display,
    *,
    dataset: str,
    model: str,
    pooling: str | None,
    limit: int | None,
    threads: int | None,
    data_dir: Path | None,
    output: Path | None,
    overwrite: bool,
    resume: bool = False,
) -> None:
    """Train a teacher, measure it on the test images once, and write its checkpoint.

    All that can be refused is refused before the work begins. Every finished epoch is kept; with
    `resume`, an unfinished run is gone on with.
    """
    runtime.limit_threads(threads)
    data = load_dataset(dataset, data_dir)
    check_input_shape(data.input_shape)
    check_shift(config.shift, data.input_shape)
    pooling = model_pooling(model, data.input_shape, pooling)
    path = output_path(output, teacher_file(data.name, model))
    with kept(path, resume=resume, overwrite=overwrite) as keeping:
        holdout = Holdout(config.seed, config.validation_fraction, limit)
        training, validation = (cut(data, part, holdout) for part in ("train", "validation"))

        runtime.start()
        from kextract.models.build import build_model
        from kextract.training.teacher import train_teacher

        config = replace(config, precision=runtime.resolve_precision(config.precision))
        network = build_model(
            model,
            data.input_shape,
            data.classes,
            pooling=pooling,
            weight_decay=config.weight_decay,
            precision=config.precision,
            seed=config.seed,
        )
        request = {
            "--dataset": data.name,
            "--model": model,
            "--pooling": pooling,
            "--limit": limit,
            **flags(asdict(config)),
            "images with SHA-256": images_sha256(training, validation),
        }
        if config.schedule == "constant":
            # A longer run then begins as a shorter one does.
            del request["--epochs"]
        earlier = keeping.begin(request, config.epochs)
        header = RunHeader(
            title=f"teacher {model} on {data.name}",
            subtitle=f"{len(training.x)} images in batches of {config.batch_size}, up to"
            f" {config.epochs} epochs, {config.precision}, seed {config.seed}",
            epochs=config.epochs,
            columns=COLUMNS,
            command=command_line(),
        )
        with display:
            display.start(header)
            events = train_teacher(
                network,
                training,
                validation,
                config,
                flip=data.flip,
                resume=earlier,
                snapshots=True,
            )
            history = follow(display, events, keep=keeping.keep, resume=earlier)
            test = final_scores(network, data)
            info = CheckpointInfo(
                kind="teacher",
                model=model,
                pooling=pooling,
                input_shape=data.input_shape,
                classes=data.classes,
                dataset=dataset,
                class_names=data.class_names,
                flip=data.flip,
                seed=config.seed,
                precision=config.precision,
                config={**asdict(config), "holdout": asdict(holdout), "command": command_line()},
                history=history,
                test=test,
            )
            write_checkpoint(path, network, info, overwrite=overwrite)
            keeping.end()
            display.finish(history, outcome(path, test))
