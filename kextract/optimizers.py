"""The optimizers that a student can be taught with."""

from typing import TypeAlias

import keras
import tensorflow as tf

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def make_optimizer(
    name: str, model: keras.Model, learning_rate: LearningRate
) -> keras.optimizers.Optimizer:
    """Return one of `kextract.config.OPTIMIZERS`, built for the variables of the model."""
    if name == "muon":
        optimizer = Muon(model, learning_rate)
    else:
        optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)
    return optimizer


class Muon(keras.optimizers.Muon):
    """Muon for kernels of convolutions and of hidden dense layers, Adam for all the rest.

    Keras's takes matrices only and leaves convolutions to Adam; here the kernel of one (h, w, c, f)
    is taken for the matrix (h * w * c, f). The last layer, biases and normalizations are Adam's.
    Steps of both kinds are of the same size, so that one learning rate does, and nothing decays.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size
    of a step from Liu et al. 2025, "Muon is scalable for LLM training", section 2.2.
    """

    def __init__(self, model: keras.Model, learning_rate: LearningRate) -> None:
        super().__init__(learning_rate, weight_decay=None, adam_weight_decay=None)
        self._hidden = {
            id(layer.kernel)
            for layer in model.layers[:-1]
            if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        }

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return id(variable) not in self._hidden

    def _muon_update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, lr: tf.Tensor, m: keras.Variable
    ) -> None:
        m.assign(self.momentum * m + gradient)
        rows = tf.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        step = self.lr_adjust(self.zeropower_via_newtonschulz5(rows, self.ns_steps))
        variable.assign_sub(lr * tf.reshape(step, variable.shape))
