"""What models are trained to lower; each maps float32 logits (n, k) to a scalar in nats."""

import tensorflow as tf


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the mean cross-entropy of int labels (n,) and the softmax of logits (n, k)."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def distillation(teacher: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    """Return T^2 KL(teacher || student), both softened by the temperature T, mean over the batch.

    Source: Hinton et al. 2015, "Distilling the knowledge in a neural network", section 2; T^2 keeps
    the gradient's size. Taken from log-softmax: Keras's own clips small probabilities, and with
    them the gradient of a student that is far off.
    """
    log_target = tf.nn.log_softmax(teacher / temperature)
    log_answer = tf.nn.log_softmax(student / temperature)
    divergence = tf.reduce_sum(tf.exp(log_target) * (log_target - log_answer), axis=-1)
    return temperature**2 * tf.reduce_mean(divergence)


def article_distillation(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Return the student's loss of the 2020 code: softmax is applied twice to the student.

    It passed probabilities to `CategoricalCrossentropy(from_logits=True)`, with the teacher's
    probabilities as the target.
    """
    return tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(
            labels=tf.nn.softmax(teacher), logits=tf.nn.softmax(student)
        )
    )
