"""One update of a network: on one device, or shared by all replicas of a `tf.distribute` strategy.

A replica is a device of this process or of another one. Each computes the gradients of its share of
the same batch; their sum is that of the whole batch, so every replica moves by the same step.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import keras
import tensorflow as tf

from kextract.errors import RequestError, WorkerError
from kextract.models.batch_norm import BatchNormalization
from kextract.models.statistics import batch_norm_layers

Values = tuple[tf.Tensor, ...]
Measure = Callable[..., Values]
Called = TypeVar("Called", bound=Callable[..., Any])


def train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    measure: Measure,
    batch: Sequence[tf.Tensor],
    strategy: Any = None,
) -> Values:
    """Take one step on a batch, a sequence of tensors (n, ...), and return what was measured.

    `measure` takes the tensors, of all images or of some, and returns scalars: means over the
    images, the first of which is to be lowered. Must be called within a `tf.function`.
    """
    variables = model.trainable_variables
    if strategy is None:
        with tf.GradientTape() as tape:
            values = measure(*batch)
        optimizer.apply(tape.gradient(values[0], variables), variables)
        return values
    shares = strategy.run(lambda: _share(model, measure, batch))
    # Everything in it is the same on all replicas.
    values, gradients, moved = strategy.experimental_local_results(shares)[0]
    optimizer.apply(gradients, variables)
    for place, value in moved.items():
        model.non_trainable_variables[int(place)].assign(value)
    return tuple(values)


def _share(
    model: keras.Model, measure: Measure, batch: Sequence[tf.Tensor]
) -> tuple[list[tf.Tensor], list[tf.Tensor], dict[str, tf.Tensor]]:
    """Measure this replica's share of a batch; return what comes of the whole batch.

    That is the values, the gradients, and what the variables that are not trained become, by their
    place. No variable is touched: replicas of one process have the same ones.
    """
    replica = tf.distribute.get_replica_context()
    index, count = replica.replica_id_in_sync_group, replica.num_replicas_in_sync
    images = tf.shape(batch[0])[0]
    # A batch of fewer images than replicas is every replica's: kernels fail on no images at all.
    few = images < count
    first = tf.where(few, 0, index * images // count)
    last = tf.where(few, images, (index + 1) * images // count)
    part = tf.where(few, 1 / count, tf.cast(last - first, tf.float32) / tf.cast(images, tf.float32))
    trained = model.trainable_variables
    with (
        tf.GradientTape() as tape,
        keras.StatelessScope([(variable, variable) for variable in trained]) as scope,
    ):
        # Penalties, which are the same for all shares, are counted once by this too.
        values = [part * value for value in measure(*(each[first:last] for each in batch))]
    gradients = tape.gradient(values[0], trained, unconnected_gradients="zero")
    summed = replica.all_reduce(tf.distribute.ReduceOp.SUM, [*values, *gradients])
    kept = {
        str(place): scope.get_current_value(variable)
        for place, variable in enumerate(model.non_trainable_variables)
    }
    moved = {place: value for place, value in kept.items() if value is not None}
    return summed[: len(values)], summed[len(values) :], moved


def synchronize(model: keras.Model, strategy: Any) -> None:
    """Let batch normalizations take their statistics over the whole batch, not over a share.

    Ours always do; others are set to. Must come before the model is traced.
    """
    for layer in batch_norm_layers(model) if strategy is not None else ():
        if not isinstance(layer, BatchNormalization):
            layer.synchronized = True


def reporting_lost_workers(update: Called, strategy: Any) -> Called:
    """Turn the loss of another worker, while `update` computes with it, into a WorkerError."""
    if strategy is None:
        return update

    def call(*batch: Any) -> Any:
        try:
            return update(*batch)
        except _LOST as error:
            raise WorkerError(
                "--strategy multiworker: another worker of TF_CONFIG has ended or cannot be reached"
            ) from error

    return call  # type: ignore[return-value]


_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def check_alike(strategy: Any, digest: int) -> None:
    """Raise RequestError unless all workers were started with the same `digest`, an int64."""
    total = tf.function(
        lambda: strategy.run(
            lambda: tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.SUM, tf.constant(digest, tf.int64)
            )
        ),
        autograph=False,
    )
    found = strategy.experimental_local_results(reporting_lost_workers(total, strategy)())[0]
    if int(found) != digest * strategy.num_replicas_in_sync:
        raise RequestError(
            "--strategy multiworker: the workers were started with different options, files or"
            " unfinished runs; give all of them the same"
        )
