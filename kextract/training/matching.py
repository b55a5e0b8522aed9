"""Students that are taught what comes before the logits: the last features, or maps of the classes.

Both say what the teacher thinks of every place of an image, where logits say what it thinks of the
whole, so an image teaches more.
"""

from dataclasses import dataclass
from typing import Self

import keras
import tensorflow as tf

from kextract.errors import RequestError
from kextract.losses import feature_distance
from kextract.models.classifier_head import ClassifierHead, averaged, ending_of, logits_and_features


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
