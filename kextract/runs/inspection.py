"""What there is to say of a file with a model of another program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kextract.foreign.keras import load_archive
from kextract.hdf5.safe_hdf5 import OpenFile
from kextract.methods.auto import Facts, choose_method
from kextract.models.axes import Shape
from kextract.models.heads import Head, SeveralOutputsError
from kextract.models.input_range import NAMED
from kextract.storage.checkpoint import count_parameters
from kextract.storage.opening import OTHERS, Identified, Kind
from kextract.teachers import parse_input_shape
from kextract.teachers.networks import NotANetworkError, read_file

COMPARED = 64
"""Images that a file's own runtime is asked about too: more than where it is used."""


def facts_of(
    identified: Identified,
    outputs: str | None = None,
    output_name: str | None = None,
    input_shape: str | None = None,
) -> dict[str, Any]:
    """Describe a model of another program, by name. Raises RequestError for one that is damaged.

    A network is built, a black box is opened by its own runtime. `outputs`, `output_name` and
    `input_shape` are what the user says of them; where one of several outputs has to be chosen,
    they are listed.
    """
    about: dict[str, Any] = {"kind": identified.kind.value}
    try:
        if identified.kind is Kind.MODEL:
            return about | _of_model(identified.where, outputs, output_name)
        if identified.kind in OTHERS:
            return about | _of_file(identified, outputs, output_name, input_shape)
        if identified.kind is Kind.SAVED_MODEL:
            return about | _of_answers(identified.path, outputs, output_name)
    except SeveralOutputsError as error:
        if output_name is not None:
            raise
        hint = "say which output classifies with --output-name"
        return about | {"all_outputs": dict(error.sizes), "hint": hint}
    return about | {
        "parameters": count_parameters(identified.where),
        "hint": "says nothing about itself: name --model and --dataset where it is used",
    }


def _of_model(
    where: Path | OpenFile, outputs: str | None, output_name: str | None
) -> dict[str, Any]:
    _, about = load_archive(where, outputs=outputs, output_name=output_name)
    guess = about.guess
    return {
        "name": about.name,
        "format": about.format,
        "keras_version": about.keras_version,
        "input_shape": list(about.input_shape),
        "input_range": None if guess.preprocessing is None else str(guess.preprocessing),
        "input_range_is_sure": guess.confident,
        "input_range_reason": guess.reason,
        "input_range_rival": None if guess.rival is None else str(guess.rival),
        "classes": about.classes,
        **_of_head(about.head, about.outputs),
        "layers": about.layers,
        "parameters": about.parameters,
        "multiply_adds": about.multiply_adds,
        "batch_normalizations": about.batch_normalizations,
        "method": choose_method(Facts(about.input_shape, about.batch_normalizations > 0)).method,
        "sha256": about.sha256,
    }


def _of_file(
    identified: Identified, outputs: str | None, output_name: str | None, input_shape: str | None
) -> dict[str, Any]:
    """Describe a file of another program as a network, or why it is a black box."""
    shape = parse_input_shape(input_shape) if input_shape else None
    try:
        found = read_file(
            identified.path,
            identified.kind,
            input_shape=shape,
            outputs=outputs,
            output_name=output_name,
            images=COMPARED,
        )
    except NotANetworkError as reason:
        about = _of_answers(identified.path, outputs, output_name, shape)
        return {"read_as": "a black box", **about, "hint": str(reason)}
    from kextract.models.spec import cost_of
    from kextract.models.statistics import batch_norm_layers, layers_within

    cost, guess = cost_of(found.network), found.guess
    normalizations = len(batch_norm_layers(found.network))
    return {
        "read_as": "a network",
        "compared": found.compared,
        "input_shape": list(found.input_shape),
        "input_range": None if guess.preprocessing is None else str(guess.preprocessing),
        "input_range_is_sure": guess.confident,
        "input_range_reason": guess.reason,
        "input_range_rival": None if guess.rival is None else str(guess.rival),
        "classes": found.classes,
        **_of_head(found.head, found.sizes),
        "layers": sum(1 for _ in layers_within(found.network)),
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "batch_normalizations": normalizations,
        "method": choose_method(Facts(found.input_shape, normalizations > 0)).method,
    }


def _of_answers(
    path: Path, outputs: str | None, output_name: str | None, input_shape: Shape | None = None
) -> dict[str, Any]:
    from kextract.teachers.trial import open_model_file

    teacher = open_model_file(
        path, input_shape=input_shape, outputs=outputs, output_name=output_name
    )
    return {
        "input_shape": list(teacher.input_shape),
        "classes": teacher.classes,
        **_of_head(teacher.head, teacher.sizes),
    }


def _of_head(head: Head, sizes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "outputs": head.outputs,
        "outputs_are_sure": head.confident,
        "outputs_reason": head.reason,
        "all_outputs": dict(sizes),
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
    if "outputs_reason" in facts:
        doubt = "" if facts["outputs_are_sure"] else " (not sure; --outputs says otherwise)"
        words["outputs"] = f"{facts['outputs']}{doubt}: {facts['outputs_reason']}"
        del words["outputs are sure"], words["outputs reason"]
    if "all_outputs" in facts:
        sizes = (f"{name} ({size})" for name, size in facts["all_outputs"].items())
        words["all outputs"] = ", ".join(sizes)
    if "input_range" in facts:
        found = facts["input_range"] or "unknown"
        rival = facts["input_range_rival"]
        doubt = ""
        if rival is not None:
            doubt = f" (not sure; {rival} fits nearly as well)"
            words["to settle it"] = " or ".join(
                f"kextract evaluate FILE -d DATA --input-range{NAMED[name].typed}"
                for name in (found, rival)
            )
        words["input range"] = f"{found}{doubt}: {facts['input_range_reason']}"
        for name in ("is sure", "reason", "rival"):
            del words[f"input range {name}"]
    return words
