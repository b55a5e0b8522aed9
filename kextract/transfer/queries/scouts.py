"""Scouts: two students that learn what is known so far, to find what is not."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.config import DistillConfig
from kextract.datasets.pixels import scale
from kextract.graph import compiled
from kextract.losses import distance
from kextract.models.build import weights_drawn_by
from kextract.models.safe_to_train import safe_to_train
from kextract.optimizers import make_optimizer
from kextract.seeds import Stream, random_generator, seed_number
from kextract.transfer.queries.targets import sampling

LOOKED_AT = 512
"""Images that a scout predicts at a time."""

Pixels = NDArray[np.uint8]


class Scout:
    """A network like the student that is taught anew whenever it is asked to."""

    def __init__(self, student: keras.Model, config: DistillConfig, number: int) -> None:
        self._config = config
        self._number = number
        with weights_drawn_by(seed_number(Stream.SCOUT, config.seed, number, 0)):
            self._model = safe_to_train(keras.models.clone_model(student))
        updates = config.queries.scout_updates
        rising = max(1, updates // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, updates, warmup_target=config.learning_rate, warmup_steps=rising
        )
        self._optimizer = make_optimizer(config.optimizer, self._model, rate)
        self._variables = [*self._model.variables, *self._optimizer.variables]
        self._start = [np.array(variable.value.numpy()) for variable in self._variables]
        self._update = self._compile_update()
        self._predict = compiled(
            lambda images: tf.nn.softmax(self._model(images, training=False)),
            input_signature=[tf.TensorSpec(self._model.input_shape, tf.float32)],
        )

    def learn(self, images: Pixels, logits: NDArray[np.float32], kind: str, number: int) -> None:
        """Begin anew and learn uint8 images (n, h, w, c) with their logits (n, k) for a round."""
        for variable, value in zip(self._variables, self._start, strict=True):
            variable.assign(value)
        config = self._config
        random = random_generator(Stream.SCOUT, config.seed, self._number, number)
        likely = sampling(logits.argmax(axis=1), kind)
        for _ in range(config.queries.scout_updates):
            rows = random.choice(len(images), config.batch_size, p=likely)
            self._update(tf.constant(scale(images[rows])), tf.constant(logits[rows]))

    def probabilities(self, images: Pixels) -> NDArray[np.float32]:
        """Return the probabilities (n, k) of uint8 images (n, h, w, c)."""
        parts = [
            self._predict(tf.constant(scale(images[start : start + LOOKED_AT]))).numpy()
            for start in range(0, len(images), LOOKED_AT)
        ]
        return np.concatenate(parts)

    def _compile_update(self) -> Callable[[tf.Tensor, tf.Tensor], None]:
        distances = distance(self._config.distance, self._config.temperature)
        model, optimizer = self._model, self._optimizer

        @compiled
        def update(images: tf.Tensor, target: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(distances(target, model(images, training=True)))
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)

        return update  # type: ignore[no-any-return]
