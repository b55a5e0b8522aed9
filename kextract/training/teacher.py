"""Trains a classifier on labelled images."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import TeacherConfig
from kextract.datasets.images import Images, augment, centred
from kextract.errors import NonFiniteError
from kextract.losses import cross_entropy
from kextract.optimizers import LearningRate, make_optimizer
from kextract.records import EpochRecord, Event, Note, Progress, Snapshot, best_epoch
from kextract.runtime import compiled
from kextract.seeds import Stream, random_generator
from kextract.training.evaluation import Predictor, score
from kextract.training.state import put_back, take, values_of
from kextract.training.updating import reporting_lost_workers, synchronize, train_step

Update = Callable[[np.ndarray, np.ndarray], tf.Tensor]


def train_teacher(
    model: keras.Model,
    train: Images,
    validation: Images,
    config: TeacherConfig,
    *,
    flip: bool,
    resume: Snapshot | None = None,
    snapshots: bool = False,
    strategy: Any = None,
) -> Iterator[Event]:
    """Train `model` in place and yield what happens: progress, and a record an epoch from 0 on.

    Stops after `patience` epochs without a better validation accuracy; at the end the model has the
    weights of its best epoch. `flip` says that mirror images keep their class. Raises
    NonFiniteError where the loss is not finite; the model is then as at its best epoch.

    With `snapshots`, a Snapshot comes before the record of each epoch but 0, so that every
    epoch that is shown can have been kept. With `resume`, training continues after the
    snapshot's last epoch, to the same end as if it had never stopped. Raises CheckpointError for
    the snapshot of another model. A `tf.distribute` strategy shares every batch among its replicas;
    WorkerError says that one of them is gone.
    """
    evaluator = Predictor(model)
    steps = -(-len(train.x) // config.batch_size)
    optimizer = make_optimizer("adam", model, learning_rate(config, steps * config.epochs))
    synchronize(model, strategy)
    update = compile_update(model, train, config, optimizer, flip=flip, strategy=strategy)
    if resume is None:
        history = [_validate(evaluator, validation, 0, time.perf_counter())]
        best_weights = model.get_weights()
        yield history[0]
    else:
        history = list(resume.history)
        best_weights = _put_back(resume, model, optimizer)
    best = best_epoch(history) or history[0]
    for epoch in range(history[-1].epoch + 1, config.epochs + 1):
        if config.patience and epoch - 1 - _last_improvement(history) >= config.patience:
            yield Note(
                f"stopped early: {config.patience} epochs without a better validation accuracy"
                " (--patience)"
            )
            break
        began = time.perf_counter()
        try:
            train_loss = yield from _train_epoch(update, config, epoch, len(train.x))
            record = _validate(evaluator, validation, epoch, began, train_loss)
            if not np.isfinite(record.loss or 0.0):
                raise NonFiniteError.at(f"the validation of epoch {epoch}", config.learning_rate)
        except NonFiniteError:
            model.set_weights(best_weights)
            raise
        history.append(record)
        if best_epoch(history) in (record, None):
            best, best_weights = record, model.get_weights()
        if snapshots:
            earlier_best = [] if best is record else best_weights
            yield _snapshot(history, model, optimizer, earlier_best)
        yield record
    if best is not history[-1]:
        model.set_weights(best_weights)
        yield Note(f"restored the weights of epoch {best.epoch}, the best on validation images")


def _last_improvement(history: Sequence[EpochRecord]) -> int:
    """Return the first epoch with the highest validation accuracy so far."""
    return max(history, key=lambda record: record.accuracy or 0.0).epoch


def learning_rate(config: TeacherConfig, updates: int) -> LearningRate:
    """Return the step size of Adam, or its schedule over so many updates."""
    if config.schedule == "constant":
        return config.learning_rate
    return keras.optimizers.schedules.CosineDecay(config.learning_rate, updates)


def compile_update(
    model: keras.Model,
    train: Images,
    config: TeacherConfig,
    optimizer: keras.optimizers.Optimizer,
    *,
    flip: bool,
    strategy: Any = None,
) -> Update:
    """Compile one update: int32 indices (n,) and [epoch, step] in, mean loss out."""
    all_images, all_labels = tf.constant(train.x), tf.constant(train.y.astype(np.int32))

    @compiled(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([2], tf.int32)])
    def update(indices: tf.Tensor, epoch_and_step: tf.Tensor) -> tf.Tensor:
        images = centred(tf.cast(tf.gather(all_images, indices), tf.float32))
        if config.augment:
            seed = tf.random.experimental.stateless_fold_in(epoch_and_step, config.seed)
            images = augment(images, shift=config.shift, flip=flip, seed=seed)
        labels = tf.gather(all_labels, indices)
        (loss,) = train_step(model, optimizer, measure, (images, labels), strategy)
        return loss

    def measure(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor]:
        loss = cross_entropy(labels, model(images, training=True))
        return (loss + tf.add_n(model.losses) if model.losses else loss,)

    return reporting_lost_workers(update, strategy)  # type: ignore[no-any-return]


def _train_epoch(
    update: Update, config: TeacherConfig, epoch: int, count: int
) -> Generator[Progress, None, float]:
    """Go through all `count` images once, in this epoch's order; return the mean loss."""
    order = random_generator(Stream.ORDER, config.seed, epoch).permutation(count)
    steps = -(-count // config.batch_size)
    total_loss = 0.0
    for step in range(steps):
        chosen = order[step * config.batch_size : (step + 1) * config.batch_size]
        loss = float(update(chosen.astype(np.int32), np.array([epoch, step], np.int32)))
        if not np.isfinite(loss):
            raise NonFiniteError.at(f"epoch {epoch}, step {step + 1}", config.learning_rate)
        total_loss += loss
        done = step + 1
        images = min(done * config.batch_size, count)
        yield Progress(epoch, "training", done, steps, images, total_loss / done)
    return total_loss / steps


def _snapshot(
    history: list[EpochRecord],
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    earlier_best: list[NDArray[Any]],
) -> Snapshot:
    """Take all that goes on; `earlier_best` is empty where the model is at its best now."""
    best = {f"best/{place}": value for place, value in enumerate(earlier_best)}
    model_and_optimizer = take("model", model.variables) | take("optimizer", optimizer.variables)
    return Snapshot(tuple(history), model_and_optimizer | best)


def _put_back(
    snapshot: Snapshot, model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> list[NDArray[Any]]:
    """Bring model and optimizer to where they were; return the weights of the best epoch."""
    tensors, history = snapshot.tensors, snapshot.history
    put_back(tensors, "model", model.variables)
    put_back(tensors, "optimizer", optimizer.variables)
    if best_epoch(history) in (history[-1], None):
        weights: list[NDArray[Any]] = model.get_weights()
        return weights
    return values_of(tensors, "best", model.weights)


def _validate(
    evaluator: Predictor,
    validation: Images,
    epoch: int,
    began: float,
    train_loss: float | None = None,
) -> EpochRecord:
    scores = score(evaluator.logits(validation.x), validation.y, penalty=evaluator.penalty())
    seconds = time.perf_counter() - began
    details = {"cross_entropy": scores.cross_entropy}
    return EpochRecord(
        epoch, scores.loss, scores.accuracy, train_loss, seconds=seconds, details=details
    )
