"""A teacher with its network in memory, as a distillation needs it: frozen, looked at, or asked."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kextract.config import DistillConfig, QueryConfig
from kextract.datasets.images import Images
from kextract.runs.opening import Teacher

if TYPE_CHECKING:
    import keras

    from kextract.methods.base import Classifier
    from kextract.teachers.asking import BudgetedTeacher
    from kextract.training.evaluation import FloatArray, ProbeSet


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
