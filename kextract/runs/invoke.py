"""From what was given for a command to its request: defaults that follow from it, and refusals."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from kextract.config import DistillConfig
from kextract.config.files import preset
from kextract.config.option import flag
from kextract.config.requests import DistillRequest
from kextract.config.resolve import Invocation, Layer, resolve
from kextract.errors import RequestError
from kextract.methods import MethodSpec, method_spec, method_specs
from kextract.methods.auto import Facts
from kextract.methods.registry import owners
from kextract.models import share_of_teacher
from kextract.replicas import cluster_of
from kextract.runs.choosing import choose
from kextract.teachers import is_black_box

AUTO, CHOSEN = "auto", "chosen: "
Given = Mapping[str, Any]
"""Options by name, wherever they were given."""
_CHOOSE = ("method", AUTO)
_IMAGES = "the name of a data set, an .npz file or a folder of images"


class Following(NamedTuple):
    """Defaults that follow from other options; what is given beats them."""

    origin: str
    applies: Callable[[Given, MethodSpec], bool]
    values: Mapping[str, Any]


FOLLOWING = (
    Following(
        # Labels say nothing that could be softened, and little: students choose more of them.
        "--method queries --access labels",
        lambda given, spec: spec.asks and given.get("access") == "labels",
        {"temperature": 1.0, "first_share": 0.05, "query_rounds": 12},
    ),
    Following(
        # A student that begins as its teacher is corrected by small steps.
        "--student teacher@SHARE",
        lambda given, spec: share_of_teacher(given.get("student", "")) is not None,
        {"optimizer": "muon", "learning_rate": 0.002},
    ),
    Following(
        # Whoever says how logits are compared wants them to be compared.
        "--distance or --temperature",
        lambda given, spec: bool({"distance", "temperature"} & given.keys()),
        {"match": "logits"},
    ),
)


def invoke(
    command: str, *layers: Layer, facts: Facts | None = None, black_box: bool = False
) -> Invocation[Any]:
    """Put a command's request together from what was given, weakest layer first.

    `facts` are those of a teacher that is in memory; others are read from the teacher's file, which
    was opened as a `black_box` where it is said.
    Raises RequestError for what cannot be, and for combinations that make no sense.
    """
    if command != "distill":
        return resolve(command, layers)
    given = {k: v for layer in layers for k, v in layer.values.items() if v is not None}
    if given.get("method") == AUTO:
        del given["method"]
        layers = tuple(
            replace(layer, values={k: v for k, v in layer.values.items() if (k, v) != _CHOOSE})
            for layer in layers
        )
    invocation = resolve(command, [*_defaults(given, facts, black_box), *layers])
    _check(invocation)
    return replace(invocation, given=layers)


def for_black_box(invocation: Invocation[DistillRequest]) -> Invocation[DistillRequest]:
    """Ask a file that was not read as a network, unless another method was requested.

    Raises RequestError for a method that needs more of its teacher than outputs.
    """
    if invocation.origins.get("method", "").startswith(CHOSEN):
        return invoke("distill", *invocation.given, black_box=True)
    _check_not_asking(invocation.request, method_specs(invocation.request.config))
    return invocation


def _defaults(given: Given, facts: Facts | None, black_box: bool) -> list[Layer]:
    """List the defaults of what was given, weakest first; without a method, one is chosen."""
    choice = None if "method" in given else choose(given, facts, black_box=black_box)
    method = choice.method if choice else given["method"]
    spec = method_spec(method)
    layers = [Layer(f"method {method}", spec.defaults)]
    if "preset" in given and "inversion" in (method, given.get("mix")):
        layers.append(Layer(f"preset {given['preset']}", preset(given["preset"]).settings))
    if choice:
        layers.append(
            Layer(f"{CHOSEN}{choice.reason}", {"method": choice.method, **choice.settings})
        )
    return layers + [
        Layer(each.origin, each.values) for each in FOLLOWING if each.applies(given, spec)
    ]


def _check(invocation: Invocation[DistillRequest]) -> None:
    """Refuse, by the flag to change, what more than a table of options is needed to judge."""
    request, config = invocation.request, invocation.request.config
    specs = method_specs(config)
    _check_mix(config)
    _check_asking(request, specs)
    _check_workers(request, specs)
    _check_methods(request, specs)
    for name in sorted(invocation.on_command_line):
        using = owners(name)
        if using and not specs.keys() & using:
            raise RequestError(
                f"{flag(name)} {invocation.values[name]}: is for --method {' or '.join(using)}, not"
                f" for '{' and '.join(specs)}'; leave it out"
            )


def _check_mix(config: DistillConfig) -> None:
    if config.mix is None:
        return
    if config.mix == config.method:
        raise RequestError(f"--mix {config.mix}: is --method already; name another method")
    if 0 in config.batch_shares:
        raise RequestError(
            f"--mix-share {config.mix_share}: leaves one of the methods without an image in"
            f" batches of {config.batch_size}; choose another share or a larger --batch-size"
        )


def _check_asking(request: DistillRequest, specs: Mapping[str, MethodSpec]) -> None:
    """Refuse what cannot be had of a teacher that is asked, and to ask one without a limit."""
    config, access = request.config, request.answering.access
    if not any(spec.asks for spec in specs.values()):
        if is_black_box(request.teacher) or access not in (None, "full"):
            _check_not_asking(request, specs)
        return
    questions = config.queries.questions
    if config.mix is not None:
        raise RequestError(f"--mix {config.mix}: the images of --method queries cannot be mixed")
    if questions == "images" and request.images is None:
        raise RequestError(f"--questions images: needs --images, {_IMAGES}")
    if questions not in (None, "images") and request.images is not None:
        raise RequestError(
            f"--questions {questions}: has no use for --images {request.images}; leave one of them"
            " out"
        )
    if access == "labels" and config.distance == "l1":
        raise RequestError("--distance l1: is for logits, and --access labels has none")
    if config.match != "logits":
        raise RequestError(
            f"--match {config.match}: of a teacher that is asked under a budget only outputs are"
            " seen; leave it out"
        )


def _check_not_asking(request: DistillRequest, specs: Mapping[str, MethodSpec]) -> None:
    """Refuse a method that needs more of a black box than its outputs."""
    if any(spec.asks for spec in specs.values()):
        return
    access, (name, spec) = request.answering.access, next(iter(specs.items()))
    lacking = (
        "the teacher's gradients"
        if spec.gradients
        else "a teacher that may be asked without a limit"
    )
    raise RequestError(
        f"--method {name}: needs {lacking}, and '{request.teacher}' is a black box"
        f"{f' (--access {access})' if access else ''}; --method queries is for such teachers"
    )


def _check_workers(request: DistillRequest, specs: Mapping[str, MethodSpec]) -> None:
    """Refuse what several processes cannot do alike."""
    if cluster_of(request.strategy) is None:
        return
    if any(spec.asks for spec in specs.values()):
        raise RequestError(
            f"--method {request.config.method}: only one process may ask the teacher, and TF_CONFIG"
            " names several; add --strategy none"
        )
    if request.config.minutes is not None:
        raise RequestError(
            f"--minutes {request.config.minutes:g}: each of several workers would measure another"
            " speed; give --epochs and --steps-per-epoch instead, or --strategy none"
        )


def _check_methods(request: DistillRequest, specs: Mapping[str, MethodSpec]) -> None:
    """Refuse a recipe that a method is not for, and one without its images."""
    config = request.config
    for name, spec in specs.items():
        if config.recipe not in spec.recipes:
            raise RequestError(
                f"--recipe {config.recipe}: is for noise, not for --method {name}; leave"
                " --recipe out"
            )
        if spec.images == "given" and request.images is None:
            kind = "mix" if name == config.mix else "method"
            raise RequestError(f"--{kind} {name}: needs --images, {_IMAGES}")
