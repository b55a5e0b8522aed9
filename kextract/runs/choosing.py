"""What `--method auto` looks at before it chooses, without TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.methods.auto import Choice, Facts, choose_method
from kextract.models import model_spec
from kextract.teachers import is_black_box, parse_input_shape

if TYPE_CHECKING:
    from kextract.runs.opening import Teacher
    from kextract.storage import CheckpointInfo


ASKED_FOR = frozenset({"ledger", "query_budget", "questions"})
"""Options that only a teacher of which nothing but outputs is to be seen has a use for."""


def choose(
    given: Mapping[str, Any], facts: Facts | None = None, *, black_box: bool = False
) -> Choice:
    """Choose a method for what was given on the command line and elsewhere.

    `black_box` says that a file, when it was opened, was not read as a network; `facts` are those
    of a teacher in memory, which has no file to look into. Options that only some methods have a
    use for decide before the teacher does. Raises CheckpointError for a teacher that cannot be
    opened.
    """
    teacher = given.get("teacher")
    black_box = black_box or (teacher is not None and facts is None and is_black_box(teacher))
    if given.get("recipe") == "article":
        return Choice("adversarial", {}, "the article's recipe is for noise")
    if black_box or (teacher is not None and given.get("access") in ("probabilities", "labels")):
        return Choice("queries", {}, "the teacher is a black box, and every question counts")
    if ASKED_FOR & {name for name, value in given.items() if value is not None}:
        return Choice("queries", {}, "a budget or ledger of questions was given")
    if given.get("images") is not None:
        return Choice("surrogate", {}, "images were given to learn from")
    if given.get("preset") is not None:
        return Choice("inversion", {}, "presets are for it")
    if teacher is None:
        return Choice("inversion", {}, "no teacher was given")
    return choose_method(facts or facts_of(Path(teacher), given.get("input_shape")))


def facts_of(teacher: Path, input_shape: str | None = None) -> Facts:
    """Look into a teacher's file for what a method depends on.

    `input_shape` is what the user says of its images.
    """
    from kextract.foreign.keras import facts_of_archive
    from kextract.hdf5.safe_hdf5 import open_checked
    from kextract.storage.opening import OTHERS, Kind, identify

    found = identify(teacher)
    if found.info is not None:
        return facts_of_checkpoint(found.info)
    if found.kind is Kind.MODEL:
        return Facts(*facts_of_archive(found.path))
    if found.kind in OTHERS:
        from kextract.teachers.networks import glance

        shape = parse_input_shape(input_shape) if input_shape else None
        return Facts(*glance(found.path, found.kind, shape))
    with open_checked(teacher) as file:
        normalizes = any("moving_" in name or "batch_norm" in name for name in file.datasets)
    # Weights do not say what their images are like; colour is what asks for more.
    return Facts((32, 32, 3), normalizes)


def facts_of_checkpoint(info: "CheckpointInfo") -> Facts:
    """Say what a checkpoint of ours tells."""
    from kextract.storage.info import OWN_ARCHITECTURE

    normalizes = info.model == OWN_ARCHITECTURE or model_spec(info.model).normalizes
    return Facts(info.input_shape, normalizes)


def facts_of_opened(teacher: "Teacher") -> Facts:
    """Say what a network in memory tells."""
    from kextract.models.statistics import batch_norm_layers

    network, _ = teacher.load("float32")
    return Facts(teacher.info.input_shape, bool(batch_norm_layers(network)))
