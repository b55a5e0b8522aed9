"""What there is to say of a file with a model of another program."""

from pathlib import Path
from typing import Any

from kextract.methods.auto import Facts, choose_method
from kextract.storage.archive import load_archive
from kextract.storage.opening import Identified, Kind, identify, kind_of
from kextract.storage.parameters import count_parameters

ONLY_ANSWER = frozenset({Kind.TFLITE, Kind.ONNX, Kind.SAVED_MODEL})


def identify_any(path: Path) -> Identified:
    """Say what a file is; also a black box. Raises CheckpointError."""
    return Identified(path, kind) if (kind := kind_of(path)) in ONLY_ANSWER else identify(path)


def facts_of(identified: Identified) -> dict[str, Any]:
    """Describe a model of another program, by name. Raises RequestError for one that is damaged.

    A Keras model is built, a black box is opened by its own runtime.
    """
    about = {"kind": identified.kind.value}
    if identified.kind is Kind.MODEL:
        return about | _of_model(identified.path)
    if identified.kind in ONLY_ANSWER:
        return about | _of_answers(identified.path)
    return about | {
        "parameters": count_parameters(identified.path),
        "hint": "says nothing about itself: name --model and --dataset where it is used",
    }


def _of_model(path: Path) -> dict[str, Any]:
    _, about = load_archive(path)
    guess = about.guess
    return {
        "name": about.name,
        "format": about.format,
        "keras_version": about.keras_version,
        "input_shape": list(about.input_shape),
        "input_range": None if guess.preprocessing is None else str(guess.preprocessing),
        "input_range_is_sure": guess.confident,
        "input_range_reason": guess.reason,
        "classes": about.classes,
        "head": about.head,
        "layers": about.layers,
        "parameters": about.parameters,
        "multiply_adds": about.multiply_adds,
        "batch_normalizations": about.batch_normalizations,
        "method": choose_method(Facts(about.input_shape, about.batch_normalizations > 0)).method,
        "sha256": about.sha256,
    }


def _of_answers(path: Path) -> dict[str, Any]:
    from kextract.teachers import open_teacher

    teacher = open_teacher(str(path))
    return {
        "input_shape": list(teacher.input_shape),
        "classes": teacher.classes,
        "outputs": teacher.outputs,
    }


def ledger_facts(path: Path) -> dict[str, Any]:
    """Describe the ledger of a teacher that was asked, by name."""
    from kextract.teachers.ledger import Ledger

    with Ledger(path, read_only=True) as ledger:
        return {"kind": "a ledger of questions", **ledger.summary()}


def shown(facts: dict[str, Any]) -> dict[str, str]:
    """Put facts into words for people."""
    words = {name.replace("_", " "): str(value) for name, value in facts.items()}
    if "input shape" in words:
        words["input shape"] = "x".join(str(side) for side in facts["input_shape"])
    if "class_shares" in facts:
        shares = (f"{share:.4f}" for share in facts["class_shares"])
        words["class shares"] = ", ".join(shares)
    if facts.get("head") == "logits":
        words["head"] = "none: it gives logits"
    if "input_range" in facts:
        found = facts["input_range"] or "unknown"
        doubt = "" if facts["input_range_is_sure"] or found == "unknown" else " (not sure)"
        words["input range"] = f"{found}{doubt}: {facts['input_range_reason']}"
        del words["input range is sure"], words["input range reason"]
    return words
