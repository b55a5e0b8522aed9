"""Which options of `distill` go together; all refusals that more than one option has a part in."""

from typing import Any

from kextract.config import DistillConfig
from kextract.config.option import flag, table
from kextract.config.resolve import Invocation
from kextract.config.shared import Output
from kextract.errors import RequestError
from kextract.methods import method_specs
from kextract.methods.registry import owners
from kextract.replicas import cluster_of
from kextract.teachers import is_black_box


def check_distill(invocation: Invocation[Any]) -> None:
    """Raise RequestError, by the flag to change, for a combination that makes no sense."""
    config, images = invocation.request.config, invocation.request.images
    check_extendable(invocation.request.output, config.schedule)
    _check_mix(config)
    _check_asking(invocation.request)
    _check_minutes(config.minutes, invocation.on_command_line)
    _check_workers(invocation.request)
    _check_preset(config, invocation.request.preset)
    _check_methods(config, images)
    _check_unused(config, invocation.on_command_line)


def check_extendable(place: Output, schedule: str) -> None:
    """Refuse to extend what ends by its schedule: a longer run would have begun otherwise."""
    if place.extendable and schedule != "constant":
        raise RequestError(
            f"--extendable: needs --schedule constant, found {schedule}, which ends with the last"
            " epoch"
        )


def _check_mix(config: DistillConfig) -> None:
    if config.mix is None:
        return
    if config.mix == config.method:
        raise RequestError(f"--mix {config.mix}: is --method already; name another method")
    if config.recipe != "corrected":
        raise RequestError(
            f"--mix {config.mix}: is for the corrected recipe, not for --recipe {config.recipe}"
        )
    if 0 in config.batch_shares:
        raise RequestError(
            f"--mix-share {config.mix_share}: leaves one of the methods without an image in"
            f" batches of {config.batch_size}; choose another share or a larger --batch-size"
        )


def _check_asking(request: Any) -> None:
    """Refuse to do without an end what can only be asked, and a ledger without questions."""
    config, access = request.config, request.answering.access
    specs = method_specs(config)
    asking = [name for name, spec in specs.items() if spec.asks]
    if asking and config.mix is not None:
        raise RequestError(f"--mix {config.mix}: the images of --method queries cannot be mixed")
    questions = config.queries.questions
    if asking and questions is not None and (questions == "images") != (request.images is not None):
        raise RequestError(
            f"--questions {questions}: "
            + (
                "needs --images, the name of a data set, an .npz file or a folder of images"
                if request.images is None
                else f"has no use for --images {request.images}; leave one of them out"
            )
        )
    if asking and access == "labels" and config.distance == "l1":
        raise RequestError("--distance l1: is for logits, and --access labels has none")
    if asking and config.match != "logits":
        raise RequestError(
            f"--match {config.match}: of a teacher that is asked under a budget only outputs are"
            " seen; leave it out"
        )
    if request.ledger is not None and not asking:
        raise RequestError(
            f"--ledger {request.ledger}: is for --method queries, not for '{config.method}'"
        )
    if asking or not (is_black_box(request.teacher) or access not in (None, "full")):
        return
    name, spec = next(iter(specs.items()))
    lacking = (
        "the teacher's gradients"
        if spec.gradients
        else "a teacher that may be asked without a limit"
    )
    raise RequestError(
        f"--method {name}: needs {lacking}, and '{request.teacher}' is a black box"
        f"{f' (--access {access})' if access else ''}; --method queries is for such teachers"
    )


def _check_minutes(minutes: float | None, on_command_line: set[str]) -> None:
    for name in ("epochs", "steps_per_epoch"):
        if minutes is not None and name in on_command_line:
            raise RequestError(
                f"--minutes {minutes:g}: fits the number of updates; leave {flag(name)} out"
            )


def _check_workers(request: Any) -> None:
    """Refuse what several processes cannot do alike."""
    if cluster_of(request.strategy) is None:
        return
    if any(spec.asks for spec in method_specs(request.config).values()):
        raise RequestError(
            f"--method {request.config.method}: only one process may ask the teacher, and TF_CONFIG"
            " names several; add --strategy none"
        )
    if request.config.minutes is not None:
        raise RequestError(
            f"--minutes {request.config.minutes:g}: each of several workers would measure another"
            " speed; give --epochs and --steps-per-epoch instead, or --strategy none"
        )


def _check_preset(config: DistillConfig, preset: str | None) -> None:
    if preset is not None and "inversion" not in (config.method, config.mix):
        raise RequestError(
            f"--preset {preset}: is for --method inversion, not for '{config.method}'"
        )


def _check_methods(config: DistillConfig, images: str | None) -> None:
    specs = method_specs(config)
    for name, spec in specs.items():
        if config.recipe not in spec.recipes:
            raise RequestError(
                f"--recipe {config.recipe}: is for noise, not for --method {name}; leave"
                " --recipe out"
            )
        if spec.images == "given" and images is None:
            raise RequestError(
                f"--{'mix' if name == config.mix else 'method'} {name}: needs --images, the name of"
                " a data set, an .npz file or a folder of images"
            )
    if images is not None and all(spec.images in (None, "own") for spec in specs.values()):
        raise RequestError(
            f"--images {images}: is for --method surrogate or queries, not for '{config.method}';"
            " leave --images out"
        )


def _check_unused(config: DistillConfig, on_command_line: set[str]) -> None:
    """Refuse options on the command line that would play no part."""
    methods, entries = method_specs(config), table(DistillConfig)
    for name in sorted(on_command_line & entries.keys()):
        using = owners(name)
        if using and not methods.keys() & using:
            raise RequestError(
                f"{flag(name)}: is for --method {' or '.join(using)}, not for"
                f" '{' and '.join(methods)}'; leave it out"
            )
        recipe = entries[name].option.recipe
        if recipe not in (None, config.recipe):
            raise RequestError(
                f"--{name}: is for the {recipe} recipe, not for --recipe {config.recipe};"
                " leave it out"
            )
    if "temperature" in on_command_line and config.distance != "kl":
        raise RequestError(
            f"--temperature: softens --distance kl, and the distance is {config.distance}; leave it"
            " out, or add --distance kl"
        )
    if "mix_share" in on_command_line and config.mix is None:
        raise RequestError("--mix-share: is the share of a second method; name it with --mix")
