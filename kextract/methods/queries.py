"""Questions under a budget, for black-box teachers: first all are asked, then a student learns."""

import math
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.datasets.image_files import StreamedImages
from kextract.datasets.images import Pixels
from kextract.errors import CheckpointError, TeacherError
from kextract.methods.base import Batch, Method, MethodContext
from kextract.methods.candidates import make_candidates
from kextract.methods.committee import (
    MEMBERS,
    Committee,
    sampling,
    select_by_disagreement,
    target_logits,
)
from kextract.methods.registry import round_ends
from kextract.methods.stored import augmented, class_shares, entropy
from kextract.models.cost import parts
from kextract.records import Event, Note, Progress
from kextract.seeds import Stream, random_generator
from kextract.teachers.black_box import predictions
from kextract.teachers.ledger import bytes_of
from kextract.teachers.questions import Recipes, digests_of
from kextract.text import size_text

SELECTED_AT_ONCE = 512
"""Questions that are selected from one drawing of candidates, at the most."""
MADE_AT_ONCE, MADE_BYTES = 512, 32 << 20
"""Images of candidates that are in memory at once, and bytes of them, at the most."""


class Queries(Method):
    """All questions are asked before the first update; then the student learns the responses.

    The first share of the budget goes to candidates as they come. In each round after that a
    committee of two learns what is known, and the candidates that it disagrees on are asked, as
    many of every class that it predicts. A round follows from the responses before it and from the
    seed, so that a run that was stopped asks what it would have asked; what is in the ledger is
    never asked again.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        assert context.asking is not None, "the teacher has a ledger"
        self._asking = context.asking
        self._student = context.student
        self._rules = context.config.queries
        self._classes = context.classes
        self._kind = self._asking.ledger.heading.outputs
        canvases = context.images.get(context.config.method)
        assert not isinstance(canvases, StreamedImages), "canvases are in memory"
        ledger = self._asking.ledger
        self._candidates = make_candidates(context.config, context.input_shape, canvases, ledger)
        ledger.begin(self._candidates.source, self._candidates.make)
        self._rows = 0
        size = math.prod(context.input_shape)
        self._made_at_once = max(1, min(MADE_AT_ONCE, MADE_BYTES // size))
        self._at_hand = False
        self._logits = np.zeros((0, self._classes), np.float32)
        self._likely: NDArray[np.float64] | None = None

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        """Ask all questions, before the first update, and make the images of those in a ledger."""
        if self._at_hand:
            return
        if not self._rows:
            yield from self._ask_all(epoch)
            if not self._answered():
                raise TeacherError("--query-budget: was spent without a single answer")
            self._learn_from(self._answered())
        held = min(self._rows, self._asking.ledger.questions.held)
        for places in parts(np.arange(held), self._made_at_once):
            self._asking.ledger.questions[places]
            yield Progress(epoch, "making questions", int(places[-1]) + 1, held, len(places))
        self._at_hand = True

    def _make_batch(self) -> Batch:
        """Return questions, shifted and mirrored at random, with the teacher's logits."""
        random = self._random()
        rows = random.choice(self._rows, self._config.batch_size, p=self._likely)
        images = augmented(self._asking.ledger.questions[rows], self._config, random)
        return Batch(images, tf.constant(self._logits[rows]))

    def metrics(self) -> dict[str, float]:
        """Return how many images were sent, and how even the responses are over the classes.

        `entropy` is that of the class shares as a share of log k; `class_shares/3` that of class 3.
        """
        responses = self._asking.ledger.responses[: self._rows]
        shares = class_shares(predictions(responses), self._classes)
        return {
            "questions": float(self._asking.ledger.counts.sent),
            "entropy": entropy([*shares.values()]),
            **shares,
        }

    def samples(self, count: int) -> Pixels:
        """Return the questions that were asked last: uint8 (at most count, h, w, c)."""
        return self._asking.ledger.questions[np.arange(max(0, self._rows - count), self._rows)]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return how many responses are learned; the responses themselves are in the ledger."""
        return {"rows": np.array(self._rows, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Learn as many responses again. Raises CheckpointError where the ledger has fewer."""
        rows, found = int(state["rows"]), self._asking.ledger.counts.answered
        if not 0 < rows <= found:
            raise CheckpointError(
                f"--resume: the run had {rows} responses, and '{self._asking.ledger.path}' has"
                f" {found}; give it the ledger it was made with, or start over with --overwrite"
            )
        self._learn_from(rows)

    def _answered(self) -> int:
        """Return how many responses there are to learn from."""
        answered = self._asking.ledger.counts.answered
        return min(answered, self._rules.query_budget or answered)

    def _learn_from(self, rows: int) -> None:
        responses = self._asking.ledger.responses[:rows]
        self._rows = rows
        self._logits = target_logits(responses, self._kind, self._classes)
        self._likely = sampling(predictions(responses), self._kind)

    def _ask_all(self, epoch: int) -> Iterator[Event]:
        committee: Committee | None = None
        rules, place = self._rules, 0
        ledger = self._asking.ledger
        if self._asking.left:
            size = bytes_of(ledger.heading, ledger.source, rules.query_budget)
            yield Note(
                f"{rules.query_budget:,} questions will take about {size_text(size)},"
                f" in '{ledger.path}'"
            )
        ends = round_ends(rules.query_budget, rules.first_share, rules.query_rounds)
        for number, end in enumerate(ends):
            if self._answered() < end and self._asking.left:
                if number:
                    committee = committee or Committee(
                        self._student, self._config, by_label=self._kind == "sigmoids"
                    )
                    logits = target_logits(ledger.responses[:place], self._kind, self._classes)
                    for done in committee.learn(ledger.questions, logits, self._kind, number):
                        yield Progress(epoch, "teaching committee", done, MEMBERS, place)
                recipes = yield from self._select(committee, place, end, epoch, number)
                for done in self._asking.ask(recipes, place):
                    asked = place + done
                    yield Progress(epoch, "asking the teacher", asked, rules.query_budget, asked)
            if self._answered() < end:
                return
            place = end

    def _select(
        self, committee: Committee | None, place: int, end: int, epoch: int, number: int
    ) -> Generator[Event, None, Recipes]:
        """Select what a round asks, from `place` to `end`: recipes, fewer where no more are new."""
        yield from self._candidates.begin(epoch, self._rules.query_budget)
        ledger, choice = self._asking.ledger, 1
        if committee:
            choice = self._rules.query_choice or self._candidates.choice
        drawing = tried = 0
        known, seen = ledger.recipes[:place], {each.tobytes() for each in ledger.digests[:place]}
        while len(known) < end:
            requested = min(SELECTED_AT_ONCE, end - len(known))
            random = random_generator(Stream.QUESTIONS, self._config.seed, number, drawing)
            recipes = self._candidates.draw(random, requested * choice, known)
            digests: list[bytes] = []
            outputs = []
            for part in parts(recipes, self._made_at_once):
                images = self._candidates.make(part)
                digests += [each.tobytes() for each in digests_of(images)]
                if committee:
                    outputs.append(committee.probabilities(images))
                tried += len(images)
                yield Progress(epoch, "choosing questions", tried, choice * (end - place), tried)
            # The first of those that are alike, unless it was asked before.
            new = {digest: index for index, digest in reversed([*enumerate(digests)])}
            selected = np.array(sorted(new[digest] for digest in new.keys() - seen), np.int64)
            if committee:
                one, other = np.concatenate(outputs, axis=1)
                self._candidates.observe(recipes, (one + other) / 2)
                best = select_by_disagreement(one[selected], other[selected], requested)
                selected = selected[best]
            # Not in the order of classes: a budget may end in the middle of a round.
            known = np.concatenate([known, recipes[random.permutation(selected)]])
            seen.update(digests[index] for index in selected)
            drawing += 1
            if not selected.size:
                yield Note(f"nothing new was found to ask after {len(known):,} questions")
                break
        return known[place:]
