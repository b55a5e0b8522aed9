"""The transfer source of black-box teachers: asks under a budget, then teaches."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.augment import augment
from kextract.datasets.streamed import StreamedImages
from kextract.errors import CheckpointError, TeacherError
from kextract.graph import compiled
from kextract.records import Event, Progress
from kextract.seeds import Stream, random_generator
from kextract.teachers.kinds import predictions
from kextract.transfer.noise import batch_generator
from kextract.transfer.queries.candidates import fingerprint, make_candidates
from kextract.transfer.queries.choosing import most_telling
from kextract.transfer.queries.scouts import Scout
from kextract.transfer.queries.targets import sampling, target_logits
from kextract.transfer.source import Batch, SourceContext

CHOSEN_AT_ONCE = 512
"""Questions that are chosen from one drawing of images."""

Pixels = NDArray[np.uint8]


class Queries:
    """All questions are asked before the first update; then the student learns the responses.

    The first share of the budget goes to candidates as they come. Each round after that
    teaches two scouts what is known and asks what they disagree on, as many images of every class
    that they predict. A round follows from the responses before it and from the seed, so that a run
    that was stopped asks what it would have asked; what is in the ledger is never asked again.
    """

    def __init__(self, context: SourceContext) -> None:
        assert context.asking is not None, "the run was told that this method asks"
        self._asking = context.asking
        self._student = context.student
        self._config, self._rules = context.config, context.config.queries
        self._classes = context.classes
        self._kind = self._asking.ledger.heading.outputs
        canvases = context.images
        assert not isinstance(canvases, StreamedImages), "canvases have a place in memory"
        self._candidates = make_candidates(self._config, context.input_shape, canvases)
        self._step = (0, 0)
        self._rows = 0
        self._logits = np.zeros((0, self._classes), np.float32)
        self._likely: NDArray[np.float64] | None = None

    def refresh(self, epoch: int, step: int) -> Iterator[Event]:
        """Ask all that may be asked, before the first update."""
        self._step = (epoch, step)
        if self._rows:
            return
        yield from self._ask_all(epoch)
        if not self._count():
            raise TeacherError("--query-budget: was spent without a single answer")
        self._learn_from(self._count())

    def batch(self) -> Batch:
        """Return questions, shifted, mirrored and mixed at random, with the teacher's logits."""
        config, random = self._config, batch_generator(self._config.seed, *self._step)
        rows = random.choice(self._rows, config.batch_size, p=self._likely)
        mixed = random.random(config.batch_size) < self._rules.mixup
        weights = np.where(mixed, random.random(config.batch_size), 1.0).astype(np.float32)
        seed = tf.constant(random.integers(0, 2**31, 2), tf.int32)
        images, logits = _prepared(
            tf.constant(self._asking.ledger.questions[rows]),
            tf.constant(self._logits[rows]),
            tf.constant(weights),
            seed,
            shift=config.shift,
            flip=bool(config.flip),
            mix=self._rules.mixup > 0,
        )
        return Batch(images, logits)

    def metrics(self) -> dict[str, float]:
        """Return how many images were sent, and how even the responses are over the classes.

        `entropy` is that of the class shares as a share of log k; `class_shares/3` that of class 3.
        """
        found = predictions(self._asking.ledger.responses[: self._rows])
        shares = np.bincount(found, minlength=self._classes) / self._rows
        some = shares[shares > 0]
        return {
            "questions": float(self._asking.ledger.counts.sent),
            "entropy": float(-(some * np.log(some)).sum() / np.log(self._classes)),
            **{f"class_shares/{number}": float(share) for number, share in enumerate(shares)},
        }

    def samples(self, count: int) -> Pixels:
        """Return the questions that were asked last: uint8 (at most count, h, w, c)."""
        return self._asking.ledger.questions[: self._rows][-count:]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return how many responses are learned from; the responses are in the ledger."""
        return {"rows": np.array(self._rows, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Learn from as many responses again. Raises CheckpointError where the ledger has fewer."""
        rows, found = int(state["rows"]), self._asking.ledger.counts.answered
        if not 0 < rows <= found:
            raise CheckpointError(
                f"--resume: the run had {rows} responses, and '{self._asking.ledger.path}' has"
                f" {found}; give it the ledger it was made with, or start over with --overwrite"
            )
        self._learn_from(rows)

    def _count(self) -> int:
        return min(self._asking.ledger.counts.answered, self._rules.query_budget)

    def _learn_from(self, rows: int) -> None:
        responses = self._asking.ledger.responses[:rows]
        self._rows = rows
        self._logits = target_logits(responses, self._kind, self._classes)
        self._likely = sampling(predictions(responses), self._kind)

    def _ask_all(self, epoch: int) -> Iterator[Event]:
        scouts: tuple[Scout, ...] = ()
        place = 0
        for number, end in enumerate(round_ends(self._rules.query_budget, *self._plan())):
            if self._count() < end and self._asking.left:
                if number and not scouts:
                    scouts = tuple(Scout(self._student, self._config, which) for which in (0, 1))
                if number:
                    yield from self._teach(scouts, place, epoch, number)
                images = yield from self._choose(scouts, place, end, epoch, number)
                for done in self._asking.ask(images, place):
                    asked = place + done
                    total = self._rules.query_budget
                    yield Progress(epoch, "asking the teacher", asked, total, asked)
            if self._count() < end:
                return
            place = end

    def _plan(self) -> tuple[float, int]:
        return self._rules.first_share, self._rules.query_rounds

    def _teach(
        self, scouts: tuple[Scout, ...], rows: int, epoch: int, number: int
    ) -> Iterator[Event]:
        ledger = self._asking.ledger
        logits = target_logits(ledger.responses[:rows], self._kind, self._classes)
        for done, scout in enumerate(scouts, start=1):
            scout.learn(ledger.questions[:rows], logits, self._kind, number)
            yield Progress(epoch, "teaching scouts", done, len(scouts), rows)

    def _choose(
        self, scouts: tuple[Scout, ...], place: int, end: int, epoch: int, number: int
    ) -> Generator[Event, None, Pixels]:
        """Choose the images of a round, which begins at `place`: uint8 (end - place, h, w, c)."""
        count = end - place
        yield from self._candidates.begin(epoch)
        parts, drawings = [], -(-count // CHOSEN_AT_ONCE)
        known = {fingerprint(image) for image in self._asking.ledger.questions[:place]}
        for drawing in range(drawings):
            wanted = min(CHOSEN_AT_ONCE, count - drawing * CHOSEN_AT_ONCE)
            random = random_generator(Stream.QUESTIONS, self._config.seed, number, drawing)
            images = self._candidates.draw(random, self._rules.query_choice * CHOSEN_AT_ONCE, known)
            if scouts:
                one, other = (scout.probabilities(images) for scout in scouts)
                self._candidates.hear((one + other) / 2)
                chosen = most_telling(one, other, wanted)
            else:
                chosen = np.arange(wanted)
            # In no order of classes: a budget may end in the middle of a round.
            parts.append(images[random.permutation(chosen)])
            known.update(fingerprint(image) for image in parts[-1])
            yield Progress(epoch, "choosing questions", drawing + 1, drawings, len(images))
        return np.concatenate(parts)


def round_ends(budget: int, first_share: float, rounds: int) -> list[int]:
    """Return at which question each round ends: the first one's share, then equal parts."""
    first = max(1, round(budget * first_share))
    return [first + (budget - first) * number // rounds for number in range(rounds + 1)]


# Traced for every size of images: relaxed ones would leave `augment` without their height.
@compiled
def _prepared(
    pixels: tf.Tensor,
    logits: tf.Tensor,
    weights: tf.Tensor,
    seed: tf.Tensor,
    *,
    shift: int,
    flip: bool,
    mix: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment and mix uint8 images (n, h, w, c); weights (n,) are of each image against another.

    Source of mixing: Zhang et al. 2018, "mixup", section 2; probabilities are mixed, not logits.
    """
    images = augment(tf.cast(pixels, tf.float32) / 127.5 - 1.0, shift=shift, flip=flip, seed=seed)
    if not mix:
        return images, logits
    share = tf.reshape(weights, (-1, 1, 1, 1))
    images = share * images + (1.0 - share) * tf.reverse(images, [0])
    probabilities = tf.nn.softmax(logits)
    share = tf.reshape(weights, (-1, 1))
    mixed = share * probabilities + (1.0 - share) * tf.reverse(probabilities, [0])
    return images, tf.math.log(mixed)
