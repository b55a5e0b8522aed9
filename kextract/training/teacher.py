"""Trains a classifier on labelled images."""

import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from kextract.config import TeacherConfig
from kextract.datasets.augment import augment
from kextract.datasets.images import Images
from kextract.errors import NonFiniteError
from kextract.records import EpochRecord, Event, Note, Progress
from kextract.training.evaluation import Predictor, score
from kextract.training.losses import cross_entropy


def train_teacher(
    model: keras.Model, train: Images, validation: Images, config: TeacherConfig, *, flip: bool
) -> Iterator[Event]:
    """Train `model` in place and yield what happens: progress, and a record an epoch from 0 on.

    Stops after `patience` epochs without a better validation accuracy; at the end the model has the
    weights of its best epoch. `flip` says that mirror images keep their class. Raises
    NonFiniteError where the loss is no longer a number; the model is then as at its best epoch.
    """
    evaluator = Predictor(model)
    steps = -(-len(train.x) // config.batch_size)
    update = compile_update(model, train, config, steps * config.epochs, flip=flip)

    record = _validate(evaluator, validation, 0, time.perf_counter())
    yield record
    best, best_weights = record, model.get_weights()
    for epoch in range(1, config.epochs + 1):
        began = time.perf_counter()
        order = np.random.default_rng([config.seed, epoch]).permutation(len(train.x))
        total_loss = 0.0
        for step in range(steps):
            chosen = order[step * config.batch_size : (step + 1) * config.batch_size]
            loss = float(update(chosen.astype(np.int32), np.array([epoch, step], np.int32)))
            if not np.isfinite(loss):
                model.set_weights(best_weights)
                raise NonFiniteError.at(f"epoch {epoch}, step {step + 1}", config.learning_rate)
            total_loss += loss
            done = step + 1
            images = min(done * config.batch_size, len(train.x))
            yield Progress(epoch, "training", done, steps, images, total_loss / done)
        record = _validate(evaluator, validation, epoch, began, total_loss / steps)
        if not np.isfinite(record.loss or 0.0):
            model.set_weights(best_weights)
            raise NonFiniteError.at(f"the validation of epoch {epoch}", config.learning_rate)
        yield record
        if (record.accuracy or 0.0) > (best.accuracy or 0.0):
            best, best_weights = record, model.get_weights()
        elif config.patience and epoch - best.epoch >= config.patience:
            yield Note(
                f"stopped early: {config.patience} epochs without a better validation accuracy"
                " (--patience)"
            )
            break
    if best is not record:
        model.set_weights(best_weights)
        yield Note(f"took back the weights of epoch {best.epoch}, the best on validation images")


def compile_update(
    model: keras.Model, train: Images, config: TeacherConfig, total_steps: int, *, flip: bool
) -> Callable[[np.ndarray, np.ndarray], tf.Tensor]:
    """Compile one update: int32 indices (n,) and [epoch, step] in, mean loss out."""
    rate = config.learning_rate
    schedule = (
        keras.optimizers.schedules.CosineDecay(rate, total_steps)
        if config.schedule == "cosine"
        else rate
    )
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(model.trainable_variables)
    all_images, all_labels = tf.constant(train.x), tf.constant(train.y.astype(np.int32))

    @tf.function(
        jit_compile=False,
        input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([2], tf.int32)],
    )
    def update(indices: tf.Tensor, moment: tf.Tensor) -> tf.Tensor:
        images = (tf.cast(tf.gather(all_images, indices), tf.float32) - 127.5) / 127.5
        if config.augment:
            seed = tf.random.experimental.stateless_fold_in(moment, config.seed)
            images = augment(images, shift=config.shift, flip=flip, seed=seed)
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = cross_entropy(tf.gather(all_labels, indices), logits)
            penalized = loss + tf.add_n(model.losses) if model.losses else loss
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(penalized, variables), variables)
        return penalized

    return update  # type: ignore[no-any-return]


def _validate(
    evaluator: Predictor,
    validation: Images,
    epoch: int,
    began: float,
    train_loss: float | None = None,
) -> EpochRecord:
    scores = score(evaluator.logits(validation.x), validation.y, penalty=evaluator.penalty())
    seconds = time.perf_counter() - began
    return EpochRecord(epoch, scores.loss, scores.accuracy, train_loss, seconds=seconds)
