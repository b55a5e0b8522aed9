"""What a file is: a checkpoint, a model of another program or a ledger."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kextract.config.option import flag
from kextract.config.requests import InspectRequest
from kextract.config.resolve import settings_of_checkpoint
from kextract.config.shared import NetworkOptions
from kextract.errors import RequestError
from kextract.foreign import ExternalNetwork
from kextract.foreign.keras import load_archive
from kextract.methods.registry import choose_method
from kextract.models.heads import Head, SeveralOutputsError
from kextract.models.input_range import NAMED, RangeGuess
from kextract.storage.checkpoint import count_parameters
from kextract.storage.info import CheckpointInfo
from kextract.storage.opening import OTHERS, Identified, Kind, identify
from kextract.teachers.ledger import Ledger, is_ledger
from kextract.teachers.networks import NotANetworkError, read_file
from kextract.text import dimensions

COMPARED = 64
"""Images that a file's own runtime is asked about too: more than where it is used."""


def settings_in(request: InspectRequest) -> str:
    """Give the options that made a checkpoint, as a configuration file."""
    info = _identified(request).info
    if info is None:
        raise RequestError(
            f"'{request.checkpoint}' is of another program and says nothing about how it was made"
        )
    return settings_of_checkpoint(info)


def inspected(request: InspectRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """Describe a file by name, and in words for people.

    A network of another program is built, a black box is opened by its own runtime; where one of
    several outputs has to be chosen, they are listed. Raises RequestError for what is damaged.
    """
    if is_ledger(request.checkpoint):
        with Ledger(request.checkpoint, read_only=True) as ledger:
            facts = {"kind": "a ledger of questions", **ledger.summary()}
        return facts, shown(facts)
    found = _identified(request)
    if found.info is not None:
        facts = asdict(found.info)
        del facts["architecture"]
        return facts, _words_of(found.info, facts)
    facts = {"kind": found.kind.value}
    try:
        facts |= _facts_of(found, request)
    except SeveralOutputsError as error:
        if request.external.output_name is not None:
            raise
        hint = "say which output classifies with --output-name"
        facts |= {"all_outputs": dict(error.sizes), "hint": hint}
    return facts, shown(facts)


def _identified(request: InspectRequest) -> Identified:
    found = identify(request.checkpoint)
    for name in ("outputs", "output_name", "input_shape"):
        value = getattr(request.external, name)
        if value is not None and found.kind in (Kind.CHECKPOINT, Kind.WEIGHTS):
            raise RequestError(
                f"{flag(name)} {value}: '{found.path}' is {found.kind.value}, which gives"
                f" logits; leave {flag(name)} out"
            )
    return found


def _words_of(info: CheckpointInfo, facts: dict[str, Any]) -> dict[str, str]:
    """Put what a checkpoint says into words."""
    facts = facts | {
        "input_shape": dimensions(info.input_shape),
        "class_names": ", ".join(info.class_names),
        "test": ", ".join(f"{name} {value:.4f}" for name, value in info.test.items()),
    }
    del facts["history"], facts["config"]
    facts |= {f"config: {name}": value for name, value in info.config.items()}
    facts["history"] = f"{len(info.history)} epochs (kextract compare --epochs shows them)"
    return {
        name.replace("_", " "): str(value)
        for name, value in facts.items()
        if value not in (None, "")
    }


def _facts_of(found: Identified, request: InspectRequest) -> dict[str, Any]:
    if found.kind is Kind.MODEL:
        return _of_model(found, request.external)
    if found.kind in OTHERS:
        return _of_file(found, request.external)
    if found.kind is Kind.SAVED_MODEL:
        return _of_answers(found, request.external)
    return {
        "parameters": count_parameters(found.where),
        "hint": "says nothing about itself: name --model and --dataset where it is used",
    }


def _of_model(found: Identified, external: NetworkOptions) -> dict[str, Any]:
    about = load_archive(found.where, outputs=external.outputs, output_name=external.output_name)
    return {**about.about, **_of_network(about), "sha256": about.sha256}


def _of_file(identified: Identified, external: NetworkOptions) -> dict[str, Any]:
    """Describe a file of another program as a network, or why it is a black box."""
    try:
        found = read_file(
            identified,
            input_shape=external.shape,
            outputs=external.outputs,
            output_name=external.output_name,
            images=COMPARED,
        )
    except NotANetworkError as reason:
        about = _of_answers(identified, external)
        return {"read_as": "a black box", **about, "hint": str(reason)}
    return {"read_as": "a network", **found.about, **_of_network(found)}


def _of_network(about: ExternalNetwork) -> dict[str, Any]:
    """Describe a network of another program; layers are those of models inside too, inputs not."""
    from kextract.models.cost import cost_of
    from kextract.models.statistics import batch_norm_layers, layers_within

    network = about.network
    cost, normalizations = cost_of(network), len(batch_norm_layers(network))
    return {
        "input_shape": list(about.input_shape),
        **_of_guess(about.guess),
        "classes": about.classes,
        **_of_head(about.head, about.outputs),
        "layers": sum(type(layer).__name__ != "InputLayer" for layer in layers_within(network)),
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "batch_normalizations": normalizations,
        "method": choose_method(about.input_shape, normalizations > 0).method,
    }


def _of_answers(found: Identified, external: NetworkOptions) -> dict[str, Any]:
    from kextract.teachers import FileOptions
    from kextract.teachers.opening import open_model_file

    options = FileOptions(
        input_shape=external.shape, outputs=external.outputs, output_name=external.output_name
    )
    teacher = open_model_file(found, options)
    return {
        "input_shape": list(teacher.input_shape),
        "classes": teacher.classes,
        **_of_head(teacher.head, teacher.sizes),
    }


def _of_guess(guess: RangeGuess) -> dict[str, Any]:
    return {
        "input_range": None if guess.preprocessing is None else str(guess.preprocessing),
        "input_range_is_sure": guess.confident,
        "input_range_reason": guess.reason,
        "input_range_rival": None if guess.rival is None else str(guess.rival),
    }


def _of_head(head: Head, sizes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "outputs": head.outputs,
        "outputs_are_sure": head.confident,
        "outputs_reason": head.reason,
        "all_outputs": dict(sizes),
    }


def shown(facts: dict[str, Any]) -> dict[str, str]:
    """Put facts into words for people."""
    words = {name.replace("_", " "): str(value) for name, value in facts.items()}
    if "input shape" in words:
        words["input shape"] = dimensions(facts["input_shape"])
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
