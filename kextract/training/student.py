"""Teaches a student to answer like its teacher on images that a method makes up.

It may be taught what comes before the logits: the last features, or maps of the classes. Both say
what the teacher thinks of every place of an image, where logits say what it thinks of the whole, so
an image teaches more.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.images import Images
from kextract.errors import NonFiniteError, RequestError
from kextract.losses import (
    article_distillation,
    distance,
    feature_distance,
    per_label,
    same_predictions,
)
from kextract.methods.base import Batch, Classifier, Method
from kextract.models.classifier_head import ClassifierHead, averaged, ending_of, logits_and_features
from kextract.optimizers import LearningRate, make_optimizer
from kextract.records import EpochRecord, Event, Note, Progress, Snapshot
from kextract.runtime import compiled
from kextract.seeds import Stream, random_generator
from kextract.training.evaluation import FloatArray, Predictor, ProbeSet, score
from kextract.training.pace import Pace
from kextract.training.state import BestEpoch, put_back, put_back_source, take, take_source
from kextract.training.updating import reporting_lost_workers, synchronize, train_step

WARM_UP = 0.1
"""Share of all updates in which the learning rate of the `cosine` schedule rises."""


class CutMix:
    """Pastes a rectangle of the next image of the batch into a share of the images.

    Source: Yun et al. 2019, "CutMix", section 3.1, here with a rectangle for each image. Labels are
    not mixed: the teacher labels what came out, as in Beyer et al. 2022, "Knowledge distillation:
    a good teacher is patient and consistent", section 3.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._seed = seed

    def mixed(self, batch: Batch, epoch: int, step: int) -> Batch:
        """Return the batch, mixed as seed, epoch and step alone decide.

        Raises RequestError for a batch that comes with logits: the teacher has not predicted the
        mixed images.
        """
        if not self._share:
            return batch
        images, logits = batch
        if logits is not None:
            raise RequestError(
                f"--cutmix {self._share:g}: asks the teacher about mixed images, but the images"
                " come with logits that it gave before; leave it out"
            )
        random = random_generator(Stream.MIXING, self._seed, epoch, step)
        count, height, width, _ = images.shape
        pasted = rectangles(random, count, height, width)
        pasted &= (random.random(count) < self._share)[:, None, None]
        return Batch(tf.where(pasted[..., None], tf.roll(images, 1, axis=0), images))


def rectangles(
    random: np.random.Generator, count: int, height: int, width: int
) -> NDArray[np.bool_]:
    """Return masks (n, h, w) that are true within a rectangle of the image's proportions.

    Its share of the area is uniform before what lies beyond the border is cut off; its centre is
    anywhere in the image.
    """
    side = np.sqrt(random.random(count))
    inside = []
    for size in (height, width):
        distance = np.abs(np.arange(size) + 0.5 - size * random.random(count)[:, None])
        inside.append(distance <= size * side[:, None] / 2)
    rows, columns = inside
    masks: NDArray[np.bool_] = rows[:, :, None] & columns[:, None, :]
    return masks


@dataclass(frozen=True)
class Matching:
    """A teacher and a student of which more than the logits can be compared.

    Used as a context, in which a classifier that is the teacher's is not trained.
    """

    name: str
    """One of `kextract.config.MATCHES`: `features` or `maps`."""
    teacher: keras.Model
    teacher_ending: ClassifierHead
    student: keras.Model
    student_ending: ClassifierHead
    places: tuple[int, int] = (1, 1)
    """Height and width of the maps that are compared."""

    def measure(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return how far the student is off, a scalar, and the logits (n, k) of both.

        `images` (n, h, w, c) are shown to the student in training mode.
        """
        target, wanted = logits_and_features(
            self.teacher, self.teacher_ending, images, training=False
        )
        logits, found = logits_and_features(
            self.student, self.student_ending, images, training=True
        )
        if self.name == "maps":
            wanted = averaged(self.teacher_ending.maps(wanted), self.places)
            found = averaged(self.student_ending.maps(found), self.places)
        distances = feature_distance(tf.stop_gradient(wanted), found)
        return tf.reduce_mean(distances), target, logits

    def __enter__(self) -> Self:
        self.student_ending.classifier.trainable = self.name != "features"
        return self

    def __exit__(self, *_: object) -> None:
        self.student_ending.classifier.trainable = True


def matching_for(
    requested: str, teacher: keras.Model | None, student: keras.Model
) -> Matching | None:
    """Do as `--match` says, one of `kextract.config.MATCHES`; None is to compare the logits.

    To match features, the student gets the teacher's classifier, which is not trained: Chen et al.
    2022, "Knowledge distillation with the reused teacher classifier", section 3.2. Raises
    RequestError for what is requested and cannot be matched.
    """
    if requested == "logits" or teacher is None:
        return None
    ending, own = ending_of(teacher), ending_of(student)
    if ending is not None and own is not None:
        if requested in ("auto", "features") and ending.has_features_of(own):
            own.classifier.set_weights(ending.classifier.get_weights())
            return Matching("features", teacher, ending, student, own)
        places = ending.places_with(own)
        if requested in ("auto", "maps") and places is not None:
            return Matching("maps", teacher, ending, student, own, places)
    if requested == "auto":
        return None
    raise RequestError(
        f"--match {requested}: the last {requested} of student and teacher are not of sizes that"
        " can be compared; leave it out, or name another --student"
    )


def distill(
    teacher: Classifier | None,
    student: keras.Model,
    source: Method,
    config: DistillConfig,
    validation: Images | None,
    teacher_logits: FloatArray | None,
    *,
    match: Matching | None = None,
    unseen: ProbeSet | None = None,
    by_label: bool = False,
    begins_as_teacher: bool | None = None,
    pace: Pace | None = None,
    resume: Snapshot | None = None,
    snapshots: bool = False,
    strategy: Any = None,
) -> Iterator[Event]:
    """Train `student` in place and yield what happens: progress, and a record an epoch from 0 on.

    `teacher` maps images (n, h, w, c) to logits (n, k) and is never changed; it is not needed where
    every batch of `source` comes with logits. The validation images, with the teacher's logits
    (n, k) on them, are measured on only; without them `unseen` images are, where there are any, and
    the records hold what needs no data. `match` is what is compared in place of the logits;
    `by_label` says that these are of labels that are each on their own. Raises NonFiniteError where
    the loss is not finite.

    The student keeps the weights of the last epoch or, where it came with weights, of the best, see
    `BestEpoch`: `begins_as_teacher` is True for a copy of the teacher, False for a network of
    one of the user's, which may have been taught before, and None for a new one. With a `pace` the
    updates of an epoch follow the clock.

    With `snapshots`, a Snapshot comes before the record of each epoch but 0, so that every
    epoch that is shown can have been kept. With `resume`, teaching continues after the
    snapshot's last epoch, to the same end as if it had never stopped. Raises CheckpointError for
    the snapshot of another student or source. A `tf.distribute` strategy shares every update among
    its replicas, each of which has all of the source's images; WorkerError says that one is gone.
    """
    with match or nullcontext():
        pace = pace or Pace(config.steps_per_epoch)
        optimizer = make_optimizer(config.optimizer, student, _learning_rate(config, pace))
        synchronize(student, strategy)
        update = _compile_update(
            teacher, student, config, optimizer, match, strategy, by_label=by_label
        )
        examiner = _Examiner(student, validation, teacher_logits, unseen, by_label=by_label)
        cutmix = CutMix(config.cutmix, config.seed)
        if resume is None:
            history = [examiner.record(epoch=0, began=time.perf_counter())]
            yield history[0]
        else:
            history = list(resume.history)
            put_back(resume.tensors, "model", student.variables)
            put_back(resume.tensors, "optimizer", optimizer.variables)
            put_back_source(resume.tensors, source)
            pace.restore(resume.tensors)
        best = None
        if begins_as_teacher is not None:
            best = BestEpoch(student, history[0], begins_as_teacher=begins_as_teacher)
            if resume is not None:
                best.restore(resume)
        for epoch in range(history[-1].epoch + 1, config.epochs + 1):
            began = time.perf_counter()
            pace.begin(epoch, int(optimizer.iterations.numpy()))
            loss, details, images = yield from _updates(update, source, cutmix, config, epoch, pace)
            record = examiner.record(epoch, began, loss, details)
            # Without validation images the last batch shows whether the student is still finite.
            outputs = student(images, training=False) if record.loss is None else record.loss
            if not np.all(np.isfinite(outputs)):
                raise NonFiniteError.at(f"the validation of epoch {epoch}", config.learning_rate)
            history.append(record)
            measuring = record.details.get("evaluation_seconds", 0.0)
            changed = pace.plan(config.epochs - epoch, measuring)
            if best is not None:
                best.consider(record)
            if snapshots:
                chosen = best.state(record) if best is not None else {}
                beside = {**chosen, **pace.state()}
                yield _snapshot(history, student, optimizer, source, beside)
            yield record
            if changed:
                yield Note(
                    f"from epoch {epoch + 1} on an epoch has {pace.updates:,} updates, so that the"
                    " run ends in the minutes it was given; a repetition may have others"
                )
        if best is not None and (note := best.take_back(history[-1])):
            yield note


def _updates(
    update: Callable[[Batch], tuple[tf.Tensor, tf.Tensor]],
    source: Method,
    cutmix: CutMix,
    config: DistillConfig,
    epoch: int,
    pace: Pace,
) -> Generator[Event, None, tuple[float, dict[str, float], tf.Tensor]]:
    """Make the updates of an epoch; return their mean loss, details, and the last images."""
    began = time.perf_counter()
    synthesis_seconds = total_loss = total_agreement = 0.0
    steps = pace.updates
    for step in range(steps):
        step_began = time.perf_counter()
        yield from source.refresh(epoch, step)
        batch = cutmix.mixed(source.batch(), epoch, step)
        synthesis_seconds += time.perf_counter() - step_began
        loss, agreement = (float(value) for value in update(batch))
        if not np.isfinite(loss):
            raise NonFiniteError.at(f"epoch {epoch}, step {step + 1}", config.learning_rate)
        pace.tick()
        total_loss += loss
        total_agreement += agreement
        done = step + 1
        images = done * config.batch_size
        yield Progress(epoch, "teaching", done, steps, images, total_loss / done)
    details = {
        **source.metrics(),
        "transfer_agreement": total_agreement / steps,
        "synthesis_seconds": synthesis_seconds,
        "student_seconds": time.perf_counter() - began - synthesis_seconds,
    }
    return total_loss / steps, details, batch.images


def _compile_update(
    teacher: Classifier | None,
    student: keras.Model,
    config: DistillConfig,
    optimizer: keras.optimizers.Optimizer,
    match: Matching | None = None,
    strategy: Any = None,
    *,
    by_label: bool = False,
) -> Callable[[Batch], tuple[tf.Tensor, tf.Tensor]]:
    """Compile one update: a batch in; loss, and share of equal predictions, out."""
    distances = distance(config.distance, config.temperature, by_label=by_label)
    if config.recipe == "article":
        distances = per_label(article_distillation) if by_label else article_distillation

    @compiled(reduce_retracing=True)
    def update(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        given = [tensor for tensor in batch if tensor is not None]
        loss, agreement = train_step(student, optimizer, measure, given, strategy)
        return loss, agreement

    def measure(images: tf.Tensor, target: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        if match is not None:
            loss, target, logits = match.measure(images)
        else:
            if target is None:
                assert teacher is not None, "a source without logits needs a teacher"
                target = tf.stop_gradient(teacher(images))
            logits = student(images, training=True)
            loss = tf.reduce_mean(distances(target, logits))
        return loss, same_predictions(target, logits, by_label=by_label)

    return reporting_lost_workers(update, strategy)  # type: ignore[no-any-return]


def _learning_rate(config: DistillConfig, pace: Pace) -> LearningRate:
    if config.schedule == "constant":
        return config.learning_rate
    updates = config.epochs * config.steps_per_epoch
    rising = int(updates * WARM_UP)
    planned = keras.optimizers.schedules.CosineDecay(
        0.0, updates - rising, warmup_target=config.learning_rate, warmup_steps=rising
    )
    return pace.schedule(planned)


def _snapshot(
    history: list[EpochRecord],
    student: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    source: Method,
    beside: Mapping[str, NDArray[Any]],
) -> Snapshot:
    model_and_optimizer = take("model", student.variables) | take("optimizer", optimizer.variables)
    return Snapshot(tuple(history), {**model_and_optimizer, **take_source(source), **beside})


class _Examiner:
    """Measures the student after each epoch."""

    def __init__(
        self,
        student: keras.Model,
        validation: Images | None,
        teacher_logits: FloatArray | None,
        unseen: ProbeSet | None,
        *,
        by_label: bool,
    ) -> None:
        self._predictor = Predictor(student)
        self._unseen = unseen
        self._validation = validation
        self._teacher_logits = teacher_logits
        self._by_label = by_label

    def record(
        self,
        epoch: int,
        began: float,
        train_loss: float | None = None,
        details: dict[str, float] | None = None,
    ) -> EpochRecord:
        """Make the record of an epoch that began at this `perf_counter` time."""
        details = details or {}
        evaluation_began = time.perf_counter()
        if self._validation is None:
            measured = self._unseen.measure(self._predictor) if self._unseen else {}
            now = time.perf_counter()
            details = {**details, **measured, "evaluation_seconds": now - evaluation_began}
            return EpochRecord(epoch, train_loss=train_loss, seconds=now - began, details=details)
        scores = score(
            self._predictor.logits(self._validation.x),
            self._validation.y,
            penalty=self._predictor.penalty(),
            teacher=self._teacher_logits,
            by_label=self._by_label,
        )
        now = time.perf_counter()
        return EpochRecord(
            epoch,
            scores.loss,
            scores.accuracy,
            train_loss,
            scores.agreement,
            scores.kl,
            now - began,
            {
                **details,
                "cross_entropy": scores.cross_entropy,
                "evaluation_seconds": now - evaluation_began,
            },
        )
