"""Prints, as JSON, what comes of the same work on one device and on two; a process of its own."""

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kextract import runtime
from kextract.losses import cross_entropy
from kextract.models.batch_norm import BatchNormalization
from kextract.training.updating import synchronize, train_step
from tests.training.examples import CLASSES, SHAPE, easy_images, figures, records, tiny_network
from tests.training.test_student import lessons


def branched(kind: Any) -> keras.Model:
    """A smooth network with batch normalizations side by side, and a penalty."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input(SHAPE)
    for _ in range(2):
        sides = [
            kind(momentum=0.9)(
                keras.layers.Conv2D(4, 3, strides=2, use_bias=False, kernel_regularizer="l2")(x)
            )
            for _ in range(2)
        ]
        x = keras.layers.Activation("tanh")(keras.layers.add(sides))
    outputs = keras.layers.Dense(CLASSES)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs)


def moved(kind: Any, count: int, strategy: Any) -> list[Any]:
    """The loss of a batch, and by how much a step down its gradient changed each variable."""
    model = branched(kind)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(model.trainable_variables)
    before = model.get_weights()
    synchronize(model, strategy)

    def measure(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor]:
        return (cross_entropy(labels, model(images, training=True)) + tf.add_n(model.losses),)

    @tf.function(autograph=False)
    def step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return train_step(model, optimizer, measure, (images, labels), strategy)

    data = easy_images(count)
    (loss,) = step(tf.constant(data.x / 127.5 - 1, tf.float32), tf.constant(data.y, tf.int32))
    changes = [now - then for now, then in zip(model.get_weights(), before, strict=True)]
    return [float(loss), *np.concatenate([change.ravel() for change in changes]).tolist()]


def work(strategy: Any) -> dict[str, Any]:
    """All that is compared, by name."""
    teacher, student = tiny_network(1), tiny_network(2)
    return {
        "step of our layers": moved(BatchNormalization, 33, strategy),
        "step on fewer images than devices": moved(BatchNormalization, 1, strategy)[:1],
        "step of stock layers": moved(keras.layers.BatchNormalization, 33, strategy),
        "student": [
            (row["train_loss"], row["details"]["transfer_agreement"])
            for row in figures(records(lessons(teacher, student, strategy=strategy)))[1:]
        ],
    }


if __name__ == "__main__":
    processor = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, logical)
    runtime.start()
    print(json.dumps([work(None), work(runtime.strategy("mirrored"))]))
