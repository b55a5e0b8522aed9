"""How good a model is on labelled images, and how like its teacher, on those or made-up ones.

And whether a student makes the same mistakes as its teacher, and more of them than by chance; and,
without data, whether a teacher has anything to teach, and tells images apart.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kextract.datasets.images import ENOUGH_IMAGES, Dataset, Images, scale, unscale
from kextract.errors import CheckpointError
from kextract.methods.base import Classifier
from kextract.methods.crops import class_balanced
from kextract.models.cost import SMALL, at_once, in_batches, parts
from kextract.models.input_range import NAMED
from kextract.models.made_up_images import drawings, photographs, probe_images
from kextract.runtime import compiled
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


LEAST_SPREAD = 1e-3
"""Logits that move by less over all probes are constant; untrained LeNets move theirs by 0.2."""
LEAST_SHARE = 1e-6
"""As much has to move in the softened probabilities; untrained networks move 5e-5 and more."""
TEMPERATURE = 4.0
LEAST_INFORMATION = 0.02
"""Nats that a prediction tells about an image.

Networks that get pixels 100 times too small tell 0.015 and less, those that get the right ones 0.25
and more.
"""


def probe_logits(
    teacher: Classifier, input_shape: tuple[int, int, int], size: int = 16
) -> FloatArray:
    """Return what a teacher of images (n, h, w, c) says, (n, k), of flat images and squares.

    It is given `size` images at a time.
    """
    probes = probe_images(input_shape)
    logits = in_batches(lambda part: teacher(tf.constant(scale(part))), probes, size)
    return logits.astype(np.float64)


def diagnose_teacher(
    logits: FloatArray, path: Path, validation: Images | None, teacher_logits: FloatArray | None
) -> str | None:
    """Say in one line why a student cannot learn from this teacher; None for a sound one.

    `logits` (n, k) are its `probe_logits`, `teacher_logits` those on the validation images, where
    there are any. Raises CheckpointError, naming the file at `path`, where an answer is not finite,
    as of weights so large that they overflow.
    """
    for found in (logits, teacher_logits):
        if found is not None and not np.isfinite(found).all():
            raise CheckpointError(
                f"'{path}': the weights are finite, but the logits are not (NaN or infinity); a"
                " student cannot learn from such a teacher"
            )
    if _is_constant(logits):
        return (
            "the teacher gives the same answer to every image: it looks dead, and a student can"
            " learn nothing from it"
        )
    if validation is None or teacher_logits is None:
        return None
    return _doubt_by_images(teacher_logits, validation.y)


def _is_constant(logits: FloatArray) -> bool:
    """Tell whether logits (n, k) say the same of all images, as a student would see them."""
    if np.ptp(logits - logits.mean(axis=-1, keepdims=True), axis=0).max() < LEAST_SPREAD:
        return True
    # A huge bias leaves the logits moving and their softmax not.
    shares = np.exp(log_softmax(logits / TEMPERATURE))
    return bool(np.ptp(shares, axis=0).max() < LEAST_SHARE)


def _doubt_by_images(logits: FloatArray, labels: npt.NDArray[np.integer]) -> str | None:
    predictions, count = logits.argmax(axis=-1), len(labels)
    if np.ptp(predictions) == 0 and np.ptp(labels) > 0:
        return (
            f"the teacher gives the same class to all {count} validation images: it looks"
            " collapsed, and a student can learn little from it"
        )
    accuracy, chance = float((predictions == labels).mean()), 1 / logits.shape[-1]
    error = float(np.sqrt(chance * (1 - chance) / count))
    if count < ENOUGH_IMAGES or accuracy > chance + 2 * error:
        return None
    return (
        f"the teacher is right on {accuracy:.1%} of the validation images, and guessing would be"
        f" on {chance:.1%}: a student can learn little from it"
    )


def check_tells_apart(
    logits: FloatArray, path: Path, channels: int, taken: str, *, by_label: bool = False
) -> None:
    """Raise CheckpointError for a teacher whose predictions are nearly alike for all images.

    `logits` (n, k) are those of images of many kinds with so many channels, and `taken` is what it
    is given in place of their pixels, as `--input-range` has it.
    """
    if by_label:
        logits = pairs(logits)
    if information(logits) >= LEAST_INFORMATION:
        return
    fitting = (name for name, known in NAMED.items() if known.channels in (None, channels))
    others = ", ".join(name for name in fitting if name != taken)
    sure = float(np.exp(log_softmax(logits)).max(axis=-1).mean())
    raise CheckpointError(
        f"'{path}': takes all images for nearly the same (confidence {sure:.2f}) when it is given"
        f" pixels as {taken}: they are probably the wrong ones; try --input-range with {others}"
    )


def information(logits: npt.NDArray[np.float64]) -> float:
    """Return the mutual information of image and predicted class, nats, from logits (n, k).

    Of logits (n, m, k) it is the sum over m things that are predicted.
    """
    logs = log_softmax(logits)
    shares = np.exp(logs)
    mean = shares.mean(axis=0)
    entropy = -(mean * np.log(np.maximum(mean, 1e-30))).sum()
    return float(entropy + (shares * logs).sum() / len(logs))
