"""How good a model is on labelled images, and how like its teacher, on those or made-up ones.

And whether a student makes the same mistakes as its teacher, and more of them than by chance.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kextract.datasets.dataset import Dataset
from kextract.datasets.images import scale, unscale
from kextract.graph import compiled
from kextract.methods.base import Classifier
from kextract.methods.leaves import class_balanced
from kextract.models.cost import SMALL, at_once, in_batches, parts
from kextract.models.made_up_images import drawings, photographs
from kextract.seeds import Stream, random_generator
from kextract.teachers.black_box import marks, pairs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]
EVALUATION_BATCH = 100
"""Few enough that most of what a layer makes is still in the processor's cache for the next."""
PROBES, LEAST_PROBES = 256, 64
"""Images of a probe set: fewer of more than `SMALL` pixels, of which each takes longer."""
DRAWN = 32
"""Of photographs and of drawings, how many are kept that are not chosen by their classes."""
CANDIDATES = 4
"""Images that are made up for each one that is kept, so that all classes are among them."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What `score` finds; losses in nats, shares from 0 to 1."""

    loss: float
    """Cross-entropy plus the model's weight penalty."""
    cross_entropy: float
    accuracy: float
    agreement: float | None = None
    kl: float | None = None


class Predictor:
    """A model's logits on many images; traced once, so make one a model and keep it."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._forward = compiled(
            lambda images: model(images, training=False),
            input_signature=[tf.TensorSpec(model.input_shape, tf.float32)],
        )

    def batches(self, images: npt.NDArray[np.uint8]) -> Iterator[FloatArray]:
        """Yield the logits of uint8 images (n, h, w, c), up to `EVALUATION_BATCH` at a time."""
        for part in parts(images, at_once(self._model, EVALUATION_BATCH)):
            yield self._forward(tf.constant(scale(part))).numpy().astype(np.float64)

    def logits(self, images: npt.NDArray[np.uint8]) -> FloatArray:
        """Return the logits (n, k) of uint8 images (n, h, w, c)."""
        return np.concatenate(list(self.batches(images)))

    def penalty(self) -> float:
        """Return the model's weight penalty as it stands."""
        return float(sum(float(loss) for loss in self._model.losses))


def log_softmax(logits: FloatArray) -> FloatArray:
    """Return the log-probabilities of logits (n, k)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def score(
    logits: FloatArray,
    labels: IntArray,
    *,
    penalty: float = 0.0,
    teacher: FloatArray | None = None,
    by_label: bool = False,
) -> Scores:
    """Measure logits (n, k) against int labels (n,) and, if given, a teacher's logits (n, k).

    `by_label` measures each label of each image on its own; `labels` may then be marks (n, k).
    """
    compared = () if teacher is None else agreement_and_kl(logits, teacher, by_label=by_label)
    if by_label:
        logits, labels = pairs(logits), marks(labels, logits.shape[-1])
    right = np.take_along_axis(log_softmax(logits), labels[..., None], axis=-1)
    cross_entropy = float(-right.mean())
    accuracy = float((logits.argmax(axis=-1) == labels).mean())
    return Scores(cross_entropy + penalty, cross_entropy, accuracy, *compared)


def agreement_and_kl(
    logits: FloatArray, teacher: FloatArray, *, by_label: bool = False
) -> tuple[float, float]:
    """Return agreement, 0 to 1, and mean KL(teacher || student), nats, of logits (n, k).

    Of each image or, `by_label`, of each label of each image.
    """
    if by_label:
        logits, teacher = pairs(logits), pairs(teacher)
    log_target = log_softmax(teacher)
    divergence = (np.exp(log_target) * (log_target - log_softmax(logits))).sum(axis=-1)
    same = logits.argmax(axis=-1) == teacher.argmax(axis=-1)
    return float(same.mean()), float(divergence.mean())


def class_accuracies(
    logits: FloatArray, labels: IntArray, classes: int, *, by_label: bool = False
) -> list[tuple[int, float | None]]:
    """Return, for each class, how many images it has and the share answered rightly.

    `by_label`, that is the share of all images of which is said rightly whether they have it.
    """
    if by_label:
        wanted = marks(labels, classes)
        same = (logits > 0) == wanted
        return [(int(has.sum()), float(s.mean())) for has, s in zip(wanted.T, same.T, strict=True)]
    right = logits.argmax(axis=-1) == labels
    members = [labels == index for index in range(classes)]
    return [(int(m.sum()), float(right[m].mean()) if m.any() else None) for m in members]


def final_scores(
    model: keras.Model,
    data: Dataset | None,
    teacher: keras.Model | None = None,
    *,
    by_label: bool = False,
) -> dict[str, float]:
    """Measure a finished model on the test images, which nothing else has seen; nothing without.

    Beside a teacher: its accuracy too, and how many of its mistakes both make.
    """
    if data is None or data.x_test is None or data.y_test is None:
        return {}
    predictor, labels = Predictor(model), data.y_test
    logits = predictor.logits(data.x_test)
    target = None if teacher is None else Predictor(teacher).logits(data.x_test)
    scores = score(logits, labels, penalty=predictor.penalty(), teacher=target, by_label=by_label)
    found = {name: value for name, value in asdict(scores).items() if value is not None}
    found["images"] = float(len(labels))
    if target is not None:
        found["teacher_accuracy"] = score(target, labels, by_label=by_label).accuracy
    if target is not None and not by_label:
        shared = shared_mistakes(logits.argmax(axis=-1), target.argmax(axis=-1), labels)
        if shared is not None:
            found["mistakes_repeated"] = shared.repeated
            found["mistakes_by_chance"] = shared.by_chance
    return found


class ProbeSet:
    """Procedural images that no student is taught with, the same for every run.

    They are like photographs and like drawings. A student may agree with its teacher on its own
    images and on nothing else; see docs/methods.md.
    """

    def __init__(
        self,
        teacher: Classifier,
        input_shape: tuple[int, int, int],
        *,
        size: int = 64,
        by_label: bool = False,
    ) -> None:
        """Take a teacher of images (n, h, w, c) in [-1, 1], `size` at a time, to logits (n, k)."""
        self._by_label = by_label
        pixels = input_shape[0] * input_shape[1]
        count = max(LEAST_PROBES, PROBES * SMALL // max(SMALL, pixels))
        half = count * CANDIDATES // 2
        made = [images(half, input_shape, seed=1) for images in (photographs, drawings)]
        images = unscale(2 * np.concatenate(made) - 1)
        logits = in_batches(lambda part: teacher(tf.constant(scale(part))), images, size)
        logits = logits.astype(np.float64)
        random = random_generator(Stream.UNSEEN, 0)
        chosen = class_balanced(random, np.exp(log_softmax(logits)).astype(np.float32), count)
        self._images, self._logits = images[chosen], logits[chosen]
        self.drawn = np.concatenate([logits[:DRAWN], logits[half:][:DRAWN]])
        """What the teacher says of some photographs and drawings, whatever their classes (n, k)."""

    def __len__(self) -> int:
        """Count the images."""
        return len(self._images)

    def measure(self, predictor: Predictor) -> dict[str, float]:
        """Return how a student's predictions agree with the teacher's, as details of an epoch."""
        agreement, kl = agreement_and_kl(
            predictor.logits(self._images), self._logits, by_label=self._by_label
        )
        return {"unseen_agreement": agreement, "unseen_kl": kl}


@dataclass(frozen=True, slots=True)
class SharedMistakes:
    """How alike two classifiers err on the same labelled images; shares from 0 to 1."""

    teacher_mistakes: int
    """Images that the teacher gets wrong."""
    repeated: float
    """Share of these to which the student gives the same wrong class."""
    by_chance: float
    """That share if, within each class, both erred independently of each other."""
    kappa: float
    """Error consistency, -1 to 1: 0 is chance, 1 is to be right and wrong on the same images."""


def shared_mistakes(
    student: IntArray, teacher: IntArray, labels: IntArray
) -> SharedMistakes | None:
    """Compare the predictions (n,) of two classifiers on images with labels (n,), all ints.

    None where the teacher makes no mistake. `kappa` is that of Geirhos et al. 2020, "Beyond
    accuracy: quantifying trial-by-trial behaviour of CNNs and humans by measuring error
    consistency", section 2; 1 where both are right or wrong alike on every image.
    """
    wrong = teacher != labels
    mistakes = int(wrong.sum())
    if mistakes == 0:
        return None
    both = (student == teacher) & wrong
    right = np.stack([student == labels, ~wrong])
    alike = float((right[0] == right[1]).mean())
    rates = right.mean(axis=-1)
    expected = float(rates.prod() + (1 - rates).prod())
    return SharedMistakes(
        teacher_mistakes=mistakes,
        repeated=float(both.sum() / mistakes),
        by_chance=_repeated_by_chance(student, teacher, labels) / mistakes,
        kappa=1.0 if expected == 1 else (alike - expected) / (1 - expected),
    )


def _repeated_by_chance(student: IntArray, teacher: IntArray, labels: IntArray) -> float:
    """Return how many wrong answers would be the same, by the confusion tables of both."""
    classes = int(max(student.max(), teacher.max(), labels.max())) + 1
    tables = [_confusion(predictions, labels, classes) for predictions in (student, teacher)]
    for table in tables:
        np.fill_diagonal(table, 0)
    members = np.bincount(labels, minlength=classes)
    expected = (tables[0] * tables[1]).sum(axis=1) / np.maximum(members, 1)
    return float(expected.sum())


def _confusion(predictions: IntArray, labels: IntArray, classes: int) -> npt.NDArray[np.float64]:
    """Count (classes, classes) images by label, then prediction."""
    cells = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.float64)


def agreement_by_confidence(
    same: npt.NDArray[np.bool_], confidence: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Return agreement, 0 to 1, on the half that the teacher is less sure of, and on the other.

    `same` (n,) is where both predict the same, `confidence` (n,) the teacher's in its prediction.
    """
    order = confidence.argsort(kind="stable")
    unsure, sure = np.array_split(same[order], 2)
    return float(unsure.mean()), float(sure.mean()) if len(sure) else float(unsure.mean())
