"""The optimizers that teachers, students and generators are trained with."""

from collections.abc import Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from kextract.runtime import compiled

BETA_2, EPSILON = 0.999, 1e-7
"""Of Adam, as in Keras."""
MOMENTUM = 0.95
"""Of Muon."""

LearningRate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def make_optimizer(
    name: str, model: keras.Model, learning_rate: LearningRate
) -> keras.optimizers.Optimizer:
    """Return one of `kextract.config.OPTIMIZERS`, built for the variables of the model."""
    optimizer = Muon(model, learning_rate) if name == "muon" else Adam(learning_rate)
    optimizer.build(model.trainable_variables)
    return optimizer


class Adam(keras.optimizers.Optimizer):
    """Adam, each variable's step as one operation; Keras's has some forty, to trace and to run.

    Source: Kingma and Ba 2014, "Adam: a method for stochastic optimization", algorithm 1, with the
    epsilon of the last lines of its section 2.
    """

    def __init__(self, learning_rate: LearningRate, beta_1: float = 0.9) -> None:
        super().__init__(learning_rate)
        self._betas = beta_1, BETA_2
        self._momentums: list[keras.Variable] = []
        self._velocities: list[keras.Variable | None] = []

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make what is remembered of each variable."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            self._momentums.append(self.add_variable_from_reference(variable, name="momentum"))
            velocity = None
            if self.has_velocity(variable):
                velocity = self.add_variable_from_reference(variable, name="velocity")
            self._velocities.append(velocity)

    def has_velocity(self, variable: keras.Variable) -> bool:
        """Tell whether a variable is Adam's: here all are."""
        return True

    def remembered(self, variable: tf.Variable) -> tuple[keras.Variable, keras.Variable | None]:
        """Give a variable's momentum, and its velocity if it is Adam's."""
        place = self._get_variable_index(variable)
        return self._momentums[place], self._velocities[place]

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Change one variable by its gradient."""
        momentum, velocity = self.remembered(variable)
        assert velocity is not None
        updates = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=self._betas[0] ** updates,
            beta2_power=self._betas[1] ** updates,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self._betas[0],
            beta2=self._betas[1],
            epsilon=EPSILON,
            grad=gradient,
        )


class Muon(Adam):
    """Muon for kernels of convolutions and of hidden dense layers, Adam for all the rest.

    Keras's takes matrices only and leaves convolutions to Adam; here the kernel of one (h, w, c, f)
    is taken for the matrix (h * w * c, f). The last layer, biases and normalizations are Adam's.
    Steps of both kinds are of the same size, so that one learning rate does, and nothing decays.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size
    of a step from Liu et al. 2025, "Muon is scalable for LLM training", section 2.2.
    """

    def __init__(self, model: keras.Model, learning_rate: LearningRate) -> None:
        super().__init__(learning_rate)
        self._hidden = {
            id(layer.kernel)
            for layer in model.layers[:-1]
            if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        }

    def has_velocity(self, variable: keras.Variable) -> bool:
        """Tell whether a variable is Adam's."""
        return id(variable) not in self._hidden

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Change one variable by its gradient."""
        momentum, velocity = self.remembered(variable)
        if velocity is not None:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum.assign(MOMENTUM * momentum + gradient)
        rows = tf.reshape(gradient + MOMENTUM * momentum, (-1, variable.shape[-1]))
        step = 0.2 * max(rows.shape) ** 0.5 * orthogonalized(rows)
        rate = tf.cast(learning_rate, tf.float32)
        variable.assign_sub(rate * tf.reshape(step, variable.shape))


def orthogonalized(matrix: tf.Tensor) -> tf.Tensor:
    """Bring the singular values of a matrix (n, m) near 1."""
    if matrix.shape[0] > matrix.shape[1]:
        return tf.transpose(_newton_schulz(tf.transpose(matrix)))
    return _newton_schulz(matrix)


@compiled(input_signature=[tf.TensorSpec((None, None), tf.float32)])
def _newton_schulz(x: tf.Tensor) -> tf.Tensor:
    """Do five iterations; traced once for matrices of all sizes.

    Source: Jordan et al. 2024, "Muon", section "Newton-Schulz iteration".
    """
    x /= tf.norm(x) + 1e-7
    for _ in range(5):
        square = tf.matmul(x, x, transpose_b=True)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x
