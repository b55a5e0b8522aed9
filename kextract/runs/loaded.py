"""A teacher that is ready to teach: at hand with all it has, or to be asked under a budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.config import DistillConfig
from kextract.datasets.images import Images
from kextract.runs.opening import Teacher
from kextract.teachers import BlackBox

if TYPE_CHECKING:
    import keras

    from kextract.methods.base import Classifier
    from kextract.teachers.asking import BudgetedTeacher
    from kextract.teachers.ledger import Ledger


@dataclass(frozen=True)
class LoadedTeacher:
    """A teacher; all but the last two fields are None for a black box."""

    network: "keras.Model | None" = None
    folded: "keras.Model | None" = None
    """The same function, faster, for all that do not ask for its batch normalizations."""
    classifier: "Classifier | None" = None
    """The network as a function that never changes it."""
    sha256: str | None = None
    validation_logits: Any = None
    """(n, k); None also without validation images."""
    doubt: str | None = None
    """Why there is nothing to learn from it."""
    asking: "BudgetedTeacher | None" = None
    """None for methods that need the teacher at hand."""


def load_teacher(
    opened: Teacher,
    config: DistillConfig,
    validation: Images | None,
    *,
    ledger: Path | None,
    access: str | None,
) -> LoadedTeacher:
    """Load a teacher, and open the `ledger` where the method asks under a budget.

    A black box is asked nothing here: its responses to validation images would be questions
    too. Raises RequestError for a ledger that does not fit.
    """
    if opened.black_box is not None:
        assert ledger is not None, "methods that need a teacher at hand were refused"
        return LoadedTeacher(asking=open_asking(opened.black_box, config, ledger))
    from kextract.models.batch_norm import frozen
    from kextract.models.batches import at_once
    from kextract.models.folding import folded
    from kextract.training.evaluation import Predictor
    from kextract.training.sanity import diagnose_teacher

    network, sha256 = opened.load(config.precision)
    logits = Predictor(network).logits(validation.x) if validation else None
    # Statistics of a batch are not known before, so nothing can be folded by them.
    article = config.recipe == "article"
    quick = folded(network)
    classifier = frozen(network if article else quick, batch_statistics=article)
    shape, size = opened.info.input_shape, at_once(network, 16, all_held=True)
    doubt = diagnose_teacher(classifier, opened.path, shape, validation, logits, size=size)
    asking = None
    if ledger is not None:
        from kextract.teachers.black_box import restricted
        from kextract.teachers.network import KerasTeacher

        whole = KerasTeacher(network, f"{opened.path.name}, SHA-256 {sha256}")
        asking = open_asking(restricted(whole, access or "full"), config, ledger)
    return LoadedTeacher(network, quick, classifier, sha256, logits, doubt, asking)


def open_asking(teacher: BlackBox, config: DistillConfig, ledger: Path) -> "BudgetedTeacher":
    """Open, or make, the ledger of a run's questions to a teacher."""
    from kextract.teachers.asking import BudgetedTeacher, RetryPolicy, heading_of
    from kextract.teachers.ledger import open_ledger

    rules = config.queries
    return BudgetedTeacher(
        teacher,
        open_ledger(ledger, heading_of(teacher), rules.query_budget),
        RetryPolicy(rules.query_budget, rules.query_batch, rules.query_attempts),
    )


def kept_in(ledger: "Ledger") -> str:
    """Say in one line how many images were sent, and where the responses are."""
    sent = ledger.counts.sent
    return f"{sent} images were sent to the teacher; its responses are in '{ledger.path}'"
