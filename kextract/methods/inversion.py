"""Images of a generator that is trained against the teacher: data-free, by inversion."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract.datasets.images import Pixels
from kextract.errors import NonFiniteError
from kextract.methods.base import Batch, Method, MethodContext, within
from kextract.methods.generator import Synthesizer, about_batch_size, has_statistics
from kextract.methods.health import LOOKED_AT, Health, is_collapsed
from kextract.methods.stored import Bank, sample
from kextract.records import Event, Note, Progress

ENOUGH_STEPS = 50
"""Steps after which a generator is judged; before, it has not learned yet."""
FOLLOWED = 0.5
"""Share of images predicted as requested from which on a generator follows its requests."""
LEAST_REQUESTED = 0.25
"""The share below which one that did so has stopped."""
NOT_FOR_THIS = (
    "the teacher has no batch normalization whose statistics could guide the generator: --method"
    " shapes is likely to teach more"
)


class Inversion(Method):
    """A generator learns, fills a bank with its images, and the student is taught from the bank.

    Every `round_updates` updates of the student, the generator gets `generator_steps` steps
    (`warm_up` at first) and adds `new_images` to the bank. A generator that has collapsed at the
    end of an epoch begins anew; the bank keeps its images.

    Source: Fang et al. 2021, "Contrastive model inversion", and Fang et al. 2022, "Up to 100x
    faster data-free knowledge distillation", for the bank and the losses; Chen et al. 2019 for one
    generator that keeps learning.
    """

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self._rules = context.config.inversion
        self._lacks_statistics = bool(self._rules.batch_norm_weight) and not has_statistics(context)
        self._about_batch_size = about_batch_size(context)
        self._synthesizer = Synthesizer(context)
        self._health = Health(context.teacher)
        self._bank = Bank(self._rules.bank_size, context.input_shape)
        self._collapsed = False
        self._followed = False
        self._failed_in = 0

    def _prepare(self, epoch: int, step: int) -> Iterator[Event]:
        """Train the generator and draw new images, if a round begins with this update."""
        if self._collapsed:
            self._collapsed = False
            yield self._restart(
                epoch, "had collapsed (its images look alike or are predicted alike)"
            )
        update = (epoch - 1) * self._config.steps_per_epoch + step
        if update == 0 and self._lacks_statistics:
            yield Note(NOT_FOR_THIS)
        if update == 0 and self._about_batch_size:
            yield Note(self._about_batch_size)
        if update % self._rules.round_updates == 0 or self._synthesizer.is_new:
            yield from self._round(epoch, update)

    def _make_batch(self) -> Batch:
        return Batch(sample(self._bank.images, self._config, *self._step))

    def metrics(self) -> dict[str, float]:
        """Return the health of the bank and of the generator.

        `collapsed` is 1 where the generator has, and missing otherwise.
        """
        self._collapsed = self._has_collapsed()
        health = self._health.of(self._bank.images, self._config.seed)
        return {
            **self._synthesizer.metrics(),
            **health,
            **({"collapsed": 1.0} if self._collapsed else {}),
        }

    def samples(self, count: int) -> Pixels:
        """Return the images that were drawn last: uint8 (at most count, h, w, c)."""
        return self._bank.newest(count)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return generator, its optimizer and counts, and the bank."""
        return {
            **{f"synthesizer/{name}": value for name, value in self._synthesizer.state().items()},
            **{f"bank/{name}": value for name, value in self._bank.state().items()},
            "ill": np.array(self._collapsed, np.int64),
            "followed": np.array(self._followed, np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned."""
        self._synthesizer.restore(within(state, "synthesizer"))
        self._bank.restore(within(state, "bank"))
        self._collapsed = bool(state["ill"])
        self._followed = bool(state["followed"])

    def _has_collapsed(self) -> bool:
        """Judge the newest images: older ones in the bank may be those of an earlier generator."""
        if self._synthesizer.steps < ENOUGH_STEPS:
            return False
        health = self._health.of(self._bank.newest(LOOKED_AT), self._config.seed)
        return self._has_stopped_following() or is_collapsed(health)

    def _has_stopped_following(self) -> bool:
        """Tell whether a generator that once drew what was requested no longer does.

        One that never did may still draw images that teach.
        """
        requested = self._synthesizer.requested()
        if requested is None:
            return False
        self._followed = self._followed or requested >= FOLLOWED
        return self._followed and requested < LEAST_REQUESTED

    def _restart(self, epoch: int, why: str) -> Note:
        self._synthesizer.restart()
        self._followed = False
        return Note(f"epoch {epoch}: the generator {why}; a new one was begun")

    def _round(self, epoch: int, update: int) -> Iterator[Event]:
        """Do a round; a generator that fails once in an epoch is replaced by a new one."""
        try:
            yield from self._learn_and_draw(epoch, update)
        except NonFiniteError:
            if self._failed_in == epoch:
                raise
            self._failed_in = epoch
            yield self._restart(epoch, "had a loss that is not finite")
            yield from self._learn_and_draw(epoch, update)

    def _learn_and_draw(self, epoch: int, update: int) -> Iterator[Event]:
        rules = self._rules
        first = self._synthesizer.is_new
        steps = rules.warm_up if first else rules.generator_steps
        weight = rules.adversarial_weight if update >= rules.adversarial_after else 0.0
        count = rules.first_images if first else rules.new_images
        batches = -(-count // self._synthesizer.batch_size)
        judged: deque[NDArray[np.float32]] = deque(maxlen=0 if first else batches)
        for step in range(steps):
            judged.append(self._synthesizer.learn(weight))
            done = step + 1
            if first:
                images = done * self._synthesizer.batch_size
                yield Progress(epoch, "inverting", done, steps, images)
        for drawn in judged:
            self._bank.add(drawn)
        for _ in range(batches - len(judged)):
            self._bank.add(self._synthesizer.draw()[0])
