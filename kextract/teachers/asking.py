"""A teacher that may fail, asked under a budget, with every question in the ledger."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import TeacherError
from kextract.teachers.black_box import BlackBox
from kextract.teachers.checking import checked
from kextract.teachers.ledger import Heading, Ledger, kept_in
from kextract.teachers.questions import Recipes
from kextract.text import error_line


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a teacher is asked."""

    budget: int = 20_000
    """Images that may be sent in all, those that are sent again included."""
    at_once: int = 256
    """Images per call of the teacher."""
    attempts: int = 5
    """Calls for one batch before the run ends."""
    wait: float = 0.5
    """Seconds before the second attempt; twice as many before each further one."""
    longest_wait: float = 30.0
    """Seconds between two attempts at the most."""


def heading_of(teacher: BlackBox) -> Heading:
    """Return what a ledger of the teacher's responses says of it."""
    return Heading(teacher.name, teacher.outputs, teacher.input_shape, teacher.classes)


class BudgetedTeacher:
    """A teacher and the ledger of what it was asked; what is in the ledger is not asked again.

    Questions have a place, counted from 0. The caller goes through the places in order; as long
    as the ledger has responses there, they are given without asking.
    """

    def __init__(
        self,
        teacher: BlackBox,
        ledger: Ledger,
        rules: RetryPolicy,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._teacher = teacher
        self.ledger = ledger
        """Where the questions and responses are."""
        self.budget = rules.budget
        """Images that may be sent in all."""
        self._rules = rules
        self._sleep = sleep

    @property
    def left(self) -> int:
        """How many images may still be sent."""
        return max(0, self.budget - self.ledger.counts.sent)

    def ask(self, recipes: Recipes, place: int) -> Iterator[int]:
        """Bring the responses to the images of recipes (n, numbers) at `place` into the ledger.

        Yields how many of them are there after each call of the teacher. Where the ledger has
        questions at these places, they stand instead of `recipes`. Ends early when the budget is
        spent. Raises TeacherError when a batch was tried too often, was answered with what is wrong
        in kind, which no second attempt would mend, or would cost more than is left.
        """
        ledger, end = self.ledger, place + len(recipes)
        while ledger.counts.answered < end:
            answered, asked = ledger.counts.answered, ledger.counts.asked
            count = min(end - answered, self._rules.at_once, self.left)
            if count < 1:
                return
            if asked == answered:
                ledger.ask(recipes[answered - place :][:count])
            last = min(answered + count, ledger.counts.asked)
            self._send(ledger.questions[np.arange(answered, last)])
            yield min(ledger.counts.answered, end) - place

    def _send(self, questions: NDArray[np.uint8]) -> None:
        failure: Exception | None = None
        for attempt in range(self._rules.attempts):
            if attempt:
                self._sleep(min(self._rules.wait * 2 ** (attempt - 1), self._rules.longest_wait))
            if self.left < len(questions):
                break
            self.ledger.send(len(questions))
            try:
                responses = self._checked(self._teacher(questions), len(questions))
            except Exception as error:  # Services fail in every way there is.
                failure = error
                if may_pass(error):
                    continue
                break
            self.ledger.answer(responses)
            return
        raise TeacherError(self._given_up(failure)) from failure

    def _checked(self, responses: Any, count: int) -> NDArray[Any]:
        return checked(responses, self._teacher.outputs, count, self._teacher.classes)

    def _given_up(self, failure: Exception | None) -> str:
        said = f"{type(failure).__name__}: {error_line(failure)}" if failure else "nothing"
        when = "the last time" if failure is None or may_pass(failure) else "and is not asked again"
        return (
            f"'{self._teacher.name}' did not answer a batch of questions, {when}: {said};"
            f" {kept_in(self.ledger.path, self.ledger.counts)}"
        )


def may_pass(failure: Exception) -> bool:
    """Tell whether a question that failed like this may be answered a second time."""
    return getattr(failure, "may_pass", True)
