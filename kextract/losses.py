"""What is lowered in training: one vocabulary for teachers, students and generators.

Logits are float32 (n, k); every loss of a batch is a scalar. Distances are given per image (n,),
because a generator looks at some images only.
"""

from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

Distance = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Of logits (n, k) of a teacher and a student, one number (n,) for each image."""
Moments = tuple[tf.Tensor, tf.Tensor]
"""Mean and variance of each channel, float32 (c,) each."""


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the mean cross-entropy of int labels (n,) and the softmax of logits (n, k), nats."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def divergence(teacher: tf.Tensor, student: tf.Tensor, temperature: float) -> tf.Tensor:
    """Return T^2 KL(teacher || student) of each image, both softened by the temperature T, nats.

    Source: Hinton et al. 2015, "Distilling the knowledge in a neural network", section 2; T^2 keeps
    the gradient's size. Taken from log-softmax: Keras's own clips small probabilities, and with
    them the gradient of a student that is far off.
    """
    log_target = tf.nn.log_softmax(teacher / temperature)
    log_answer = tf.nn.log_softmax(student / temperature)
    return temperature**2 * tf.reduce_sum(tf.exp(log_target) * (log_target - log_answer), axis=-1)


def logit_distance(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute difference of each image's centred logits.

    Source: Fang et al. 2019, "Data-free adversarial distillation", section 3.2. Logits are centred
    because a softmax does not see a constant that is added to them.
    """
    return tf.reduce_mean(tf.abs(_centred(teacher) - _centred(student)), axis=-1)


def feature_distance(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Return the squared length of the difference of features (n, ..., c), its mean over places.

    Source: Chen et al. 2022, "Knowledge distillation with the reused teacher classifier", equation
    3; there it is the mean over channels too.
    """
    squares = tf.reduce_sum(tf.square(teacher - student), axis=-1)
    return tf.reduce_mean(tf.reshape(squares, (tf.shape(squares)[0], -1)), axis=-1)


def distance(name: str, temperature: float, *, by_label: bool = False) -> Distance:
    """Return one of `kextract.config.DISTANCES` as a function of teacher's and student's logits."""
    found = logit_distance if name == "l1" else partial(divergence, temperature=temperature)
    return per_label(found) if by_label else found


def per_label(distance: Distance) -> Distance:
    """Make of a distance of classes one of labels that are each on their own, its mean over them.

    Each label is taken for two classes, no and yes, whose softmax is the label's sigmoid.
    """
    return lambda teacher, student: tf.reduce_mean(distance(_pairs(teacher), _pairs(student)), -1)


def same_predictions(teacher: tf.Tensor, student: tf.Tensor, *, by_label: bool) -> tf.Tensor:
    """Return the share of images of one class, or of labels at 0.5, of logits (n, k) of both."""
    if by_label:
        teacher, student = _pairs(teacher), _pairs(student)
    same = tf.equal(tf.argmax(teacher, axis=-1), tf.argmax(student, axis=-1))
    return tf.reduce_mean(tf.cast(same, tf.float32))


def article_distillation(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Return the student's loss of the 2020 code for each image: it softens the student twice.

    It passed probabilities to `CategoricalCrossentropy(from_logits=True)`, with the teacher's
    probabilities as the target.
    """
    return tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.nn.softmax(teacher), logits=tf.nn.softmax(student)
    )


def statistics_distance(found: Sequence[Moments], stored: Sequence[Moments]) -> tf.Tensor:
    """Return how far a batch's statistics are from those that a teacher stored of its data.

    The sum over layers of ||mean - stored mean|| + ||variance - stored variance||, each the
    Euclidean norm over channels. 0 where there are no layers. Source: Yin et al. 2020, "Dreaming to
    distill", equation 4, without the squares, as in their code.
    """
    total = tf.zeros(())
    for (mean, variance), (stored_mean, stored_variance) in zip(found, stored, strict=True):
        total += _length(mean - stored_mean) + _length(variance - stored_variance)
    return total


def information_entropy_loss(logits: tf.Tensor) -> tf.Tensor:
    """Return how far the mean answer of a batch is from uniform: KL(mean || uniform), nats.

    Source: Chen et al. 2019, "Data-free learning of student networks", information entropy
    loss, plus log k, so that 0 is the least.
    """
    mean = tf.reduce_mean(tf.nn.softmax(logits), axis=0)
    classes = tf.cast(tf.shape(logits)[-1], tf.float32)
    return tf.reduce_sum(tf.math.xlogy(mean, mean)) + tf.math.log(classes)


def total_variation(images: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute difference of neighbouring pixels, over both axes, of (n, h, w, c).

    Source: Mahendran & Vedaldi 2015, "Understanding deep image representations by inverting them",
    section 3, with exponent 1.
    """
    down = tf.reduce_mean(tf.abs(images[:, 1:] - images[:, :-1]))
    across = tf.reduce_mean(tf.abs(images[:, :, 1:] - images[:, :, :-1]))
    return down + across


def disagreement(distances: tf.Tensor, teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Return the batch mean of distances (n,), counted only where both give the same answer.

    What a generator that looks for gaps in a student's knowledge makes large. Where they already
    disagree there is nothing to look for, and pushing on leads out of the data. Source: Choi et al.
    2020 and Fang et al. 2021, "Contrastive model inversion", section 3.3.
    """
    same = tf.equal(tf.argmax(teacher, axis=-1), tf.argmax(student, axis=-1))
    return tf.reduce_mean(tf.where(same, distances, tf.zeros_like(distances)))


def _length(vector: tf.Tensor) -> tf.Tensor:
    """Return the Euclidean norm; its gradient is 0 at 0, where that of `tf.norm` is not finite."""
    square = tf.reduce_sum(tf.square(vector))
    is_zero = tf.equal(square, 0.0)
    return tf.where(is_zero, 0.0, tf.sqrt(tf.where(is_zero, 1.0, square)))


def _pairs(logits: tf.Tensor) -> tf.Tensor:
    """Return logits (n, k) of labels as those of two classes each: (n, k, 2)."""
    return tf.stack([tf.zeros_like(logits), logits], axis=-1)


def _centred(logits: tf.Tensor) -> tf.Tensor:
    return logits - tf.reduce_mean(logits, axis=-1, keepdims=True)
