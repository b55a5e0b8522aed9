"""Adversarial noise, the article's second technique: noise that fools the teacher."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kextract.records import Event, Progress
from kextract.transfer.crafting import Classifier, Crafter, CraftingRules
from kextract.transfer.noise import batch_generator, clipped_noise


class AdversarialNoise:
    """A new batch of crafted noise for every update, for classes drawn at random.

    With `shared_counter`, as in the 2020 code, batches are crafted one by one and Adam's step count
    goes on from batch to batch, while its moments start at zero for each; without, every batch has
    a fresh optimizer and `together` batches are crafted at once.
    """

    def __init__(
        self,
        teacher: Classifier,
        rules: CraftingRules,
        shape: tuple[int, int, int, int],
        classes: int,
        *,
        steps_per_epoch: int,
        seed: int,
        shared_counter: bool = False,
        together: int = 1,
    ) -> None:
        self._shape = shape
        self._classes = classes
        self._steps_per_epoch = steps_per_epoch
        self._seed = seed
        self._shared_counter = shared_counter
        self._together = 1 if shared_counter else together
        self._limit = rules.iterations
        self._crafter = Crafter(teacher, rules, batch_size=shape[0])
        self._steps_made = 0
        self._ready: list[tf.Tensor] = []
        self._iterations: list[float] = []
        self._confidences: list[float] = []

    def refresh(self, epoch: int, step: int) -> Iterator[Event]:
        """Craft the next batches if none is left."""
        if self._ready:
            return
        count = min(self._together, self._steps_per_epoch - step)
        noise, classes = zip(
            *(self._draw(epoch, step + number) for number in range(count)), strict=True
        )
        before = self._steps_made if self._shared_counter else 0
        pieces = self._crafter.pieces(
            tf.constant(np.concatenate(noise)),
            tf.constant(np.concatenate(classes), tf.int32),
            tf.constant(before, tf.int32),
        )
        for steps, (crafted, taken, confidence) in pieces:  # noqa: B007 - the last ones count
            done = step + count * steps // self._limit
            yield Progress(
                epoch, "crafting noise", done, self._steps_per_epoch, done * self._shape[0]
            )
        self._steps_made += int(tf.reduce_sum(taken))
        self._ready = tf.split(crafted, count)
        self._iterations += taken.numpy().tolist()
        self._confidences += confidence.numpy().tolist()

    def batch(self) -> tf.Tensor:
        """Return crafted noise (n, h, w, c), float32; some pixels lie a little outside [-1, 1]."""
        return self._ready.pop(0)

    def metrics(self) -> dict[str, float]:
        """Return mean crafting steps a batch, and mean confidence of the teacher in its classes."""
        metrics = {
            "iterations": float(np.mean(self._iterations)),
            "confidence": float(np.mean(self._confidences)),
        }
        self._iterations, self._confidences = [], []
        return metrics

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the count of crafting steps; at the end of an epoch no batch is left over."""
        return {"steps_made": np.array(self._steps_made, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the count of crafting steps, from which a shared counter goes on."""
        self._steps_made = int(state["steps_made"])

    def _draw(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        generator = batch_generator(self._seed, epoch, step)
        noise = clipped_noise(generator, self._shape)
        return noise, generator.integers(0, self._classes, self._shape[0])
