"""What a run has in memory: its teacher's network, frozen, looked at or asked; the images that a
student is taught with; and a network of the user's own that is trained.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.config import DistillConfig, QueryConfig
from kextract.datasets.image_files import StoredPixels, StreamedImages
from kextract.datasets.images import Holdout, Images, cut
from kextract.datasets.transfer_images import load_canvases, stream_transfer_images
from kextract.errors import RequestError
from kextract.foreign.keras import load_archive
from kextract.hdf5.weights import sha256_of_tensors
from kextract.methods import method_specs
from kextract.models.heads import SeveralOutputsError
from kextract.records import Event
from kextract.runs.opening import Teacher

if TYPE_CHECKING:
    import keras

    from kextract.methods.base import Classifier
    from kextract.teachers.asking import BudgetedTeacher
    from kextract.training.evaluation import FloatArray, ProbeSet

TransferImages = Mapping[str, StoredPixels]
"""Images (n, h, w, c) by the name of the method that is taught with them."""


class LoadedTeacher:
    """What a teacher has for a student; of a black box, nothing until it is asked."""

    whole: "keras.Model | None" = None
    """Its network; None, as all that follows, for a black box."""
    sha256: str | None = None
    folded: "keras.Model | None" = None
    """The same function, faster, for all that do not ask for its batch normalizations."""
    classifier: "Classifier | None" = None
    """The network as a function that never changes it."""
    logits: "FloatArray | None" = None
    """Its logits (n, k) on the validation images; None also without such."""
    seconds: float = 0.0
    """How long it took for the logits of the validation images."""
    unseen: "ProbeSet | None" = None
    """What the student is measured on without validation images."""
    doubt: str | None = None
    """Why there is nothing to learn from it, in one line."""
    asking: "BudgetedTeacher | None" = None
    """What puts questions to it; None for methods that need it at hand."""

    def __init__(self, teacher: Teacher, config: DistillConfig) -> None:
        """Load the network, if there is one."""
        self._teacher = teacher
        self._article = config.recipe == "article"
        if teacher.black_box is None:
            self.whole, self.sha256 = teacher.load(config.precision)

    def examine(self, validation: Images | None) -> None:
        """Freeze the network and look at its predictions.

        A black box is asked nothing: its responses to validation images would be questions too.
        """
        if self.whole is None:
            return
        import numpy as np
        import tensorflow as tf

        from kextract.models.batch_norm import frozen
        from kextract.models.cloning import folded
        from kextract.models.cost import at_once
        from kextract.runtime import compiled
        from kextract.training.evaluation import (
            Predictor,
            ProbeSet,
            check_tells_apart,
            diagnose_teacher,
            probe_logits,
        )

        whole, article = self.whole, self._article
        path, shape = self._teacher.path, self._teacher.info.input_shape
        if validation:
            began = time.perf_counter()
            self.logits = Predictor(whole).logits(validation.x)
            self.seconds = time.perf_counter() - began
        self.folded = folded(whole)
        # Statistics of a batch are not known before, so nothing can be folded by them.
        classifier = frozen(whole if article else self.folded, batch_statistics=article)
        self.classifier = classifier
        # Layer by layer Keras takes longer than a network of large images itself.
        traced = compiled(classifier, input_signature=[tf.TensorSpec((None, *shape), tf.float32)])
        logits = probe_logits(traced, shape, at_once(whole, 16))
        # How many labels an image of one class should have is not known.
        by_label = self._teacher.by_label
        judged = None if by_label else validation
        self.doubt = diagnose_teacher(logits, path, judged, self.logits)
        if validation is None:
            size = at_once(whole, 64)
            self.unseen = ProbeSet(traced, shape, size=size, by_label=by_label)
            if self._teacher.input_range is not None:
                taken = str(self._teacher.input_range)
                seen = np.concatenate([logits, self.unseen.drawn])
                check_tells_apart(seen, path, shape[-1], taken, by_label=by_label)

    def ask(self, rules: QueryConfig, ledger: Path, access: str | None) -> None:
        """Let it be asked under a budget, and keep its responses. Raises RequestError.

        That is for a `ledger` of another teacher, and for one that cannot be opened.
        """
        from kextract.teachers.asking import BudgetedTeacher, RetryPolicy, heading_of
        from kextract.teachers.black_box import of_network, restricted
        from kextract.teachers.ledger import open_ledger

        black_box = self._teacher.black_box
        if black_box is None:
            name = f"{self._teacher.path.name}, SHA-256 {self.sha256}"
            whole = of_network(self.whole, name, by_label=self._teacher.by_label)
            black_box = restricted(whole, access or "full")
        kept = open_ledger(ledger, heading_of(black_box), rules.query_budget)
        policy = RetryPolicy(rules.query_budget, rules.query_batch, rules.query_attempts)
        self.asking = BudgetedTeacher(black_box, kept, policy)


def transfer_images(
    config: DistillConfig,
    images: str | None,
    opened: Teacher,
    holdout: Holdout,
    data_dir: Path | None,
) -> tuple[TransferImages, tuple[str, ...]]:
    """Load the images that methods are taught with, as large and as colourful as the teacher's.

    Returns what is worth a line about them, too.
    """
    notes: list[str] = []
    found: dict[str, StoredPixels] = {}
    for name, spec in method_specs(config).items():
        if spec.images == "own":
            if opened.data is None:
                flag = "--mix" if name == config.mix else "--method"
                raise RequestError(f"{flag} {name}: needs the teacher's images: {opened.missing}")
            found[name] = cut(opened.data, "train", holdout).x
        elif spec.images == "given" and images is not None:
            found[name] = stream_transfer_images(
                images, data_dir, opened.info.input_shape, notes.append
            )
        elif spec.images == "canvases" and images is not None:
            found[name] = load_canvases(images, data_dir, opened.info.input_shape, notes.append)
    return found, tuple(dict.fromkeys(notes))


def transfer_images_sha256(images: TransferImages) -> str | None:
    """Hash what a student is taught with: a run on others is another run. None for nothing."""
    known = {
        name: given.digest() if isinstance(given, StreamedImages) else given
        for name, given in images.items()
    }
    return sha256_of_tensors(known) if known else None


@dataclass(frozen=True)
class OwnNetwork:
    """A network to train, and the one that the user gave where that is another."""

    network: "keras.Model"
    """Float32 images (n, h, w, c) in [-1, 1] to logits (n, k)."""
    inside: "keras.Model | None" = None
    """A copy of `given` without its last operation, within `network`."""
    given: "keras.Model | None" = None

    def following(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass a training's events on; however it ends, the given network has learnt as much."""
        try:
            yield from events
        finally:
            if self.given is not None and self.inside is not None:
                self.given.set_weights(self.inside.get_weights())


def own_network(
    where: "Path | keras.Model",
    flag: str,
    input_shape: tuple[int, int, int],
    classes: int,
    precision: str,
) -> OwnNetwork:
    """Take a network as it is to be trained: from images in [-1, 1] to logits.

    One that ends in a softmax is trained without it. Raises RequestError, by `flag`, for an unfit
    one.
    """
    try:
        found = _trained(where, precision)
    except SeveralOutputsError as error:
        listed = ", ".join(f"{name} ({size})" for name, size in error.sizes.items())
        raise RequestError(
            f"{flag}: the network has {len(error.sizes)} outputs, {listed}; give one that has one"
        ) from error
    network = found.network
    if (network.input_shape, network.output_shape) != ((None, *input_shape), (None, classes)):
        raise RequestError(
            f"{flag}: the network takes {network.input_shape} and gives {network.output_shape};"
            f" expected {(None, *input_shape)} and {(None, classes)}"
        )
    return found


def _trained(where: "Path | keras.Model", precision: str) -> OwnNetwork:
    if isinstance(where, Path):
        return OwnNetwork(load_archive(where, precision=precision).model)
    from kextract.foreign.keras.classifier import in_memory

    found = in_memory(where)
    if found.head.given == "logits" and found.network is where:
        return OwnNetwork(where)
    return OwnNetwork(found.model, found.network, where if found.head.taken_off else None)
