"""From what was given for a command to its request: defaults that follow from it, and refusals."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kextract.config import DistillConfig, QueryConfig
from kextract.config.files import preset
from kextract.config.option import flag
from kextract.config.requests import DistillRequest
from kextract.config.resolve import Invocation, Layer, resolve
from kextract.config.shared import parse_input_shape
from kextract.errors import CheckpointError, RequestError, UnsupportedOperatorError
from kextract.methods import MethodSpec, method_spec, method_specs
from kextract.methods.registry import Choice, choose_method, owners, updates_per_epoch
from kextract.models import model_spec, share_of_teacher
from kextract.models.axes import Shape
from kextract.replicas import cluster_of
from kextract.runs.opening import RESTRICTED, Teacher, look, only_outputs
from kextract.runs.outputs import check_endings
from kextract.storage.info import OWN_ARCHITECTURE
from kextract.storage.opening import BLACK_BOXES, OTHERS, Identified, Kind, names_model
from kextract.teachers.ledger import Ledger

if TYPE_CHECKING:
    import keras

AUTO, CHOSEN = "auto", "chosen: "
Given = Mapping[str, Any]
"""Options by name, wherever they were given."""
ASKED_FOR = frozenset({"ledger", "query_budget", "questions"})
"""Options that only a teacher of which nothing but outputs is to be seen has a use for."""
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
        # Options of comparing logits imply that logits are compared.
        "--distance or --temperature",
        lambda given, spec: bool({"distance", "temperature"} & given.keys()),
        {"match": "logits"},
    ),
)


def invoke(command: str, *layers: Layer, teacher: Teacher | None = None) -> Invocation[Any]:
    """Put a command's request together from what was given, weakest layer first.

    `teacher` is one that is in memory; the file of another is looked at, and read later. Raises
    RequestError for what cannot be, and for combinations that make no sense.
    """
    given = _given(layers)
    if command in ("train-teacher", "distill"):
        check_endings(given)
    if command != "distill":
        return resolve(command, layers)
    seen = None
    if teacher is None and "teacher" in given:
        # What cannot be opened is refused when it is, in the words of whoever reads it.
        with suppress(CheckpointError):
            seen = look(Path(given["teacher"]))
    black_box = seen is not None and seen.kind in BLACK_BOXES
    return _distillation(layers, seen, teacher, black_box=black_box)


def for_black_box(invocation: Invocation[DistillRequest]) -> Invocation[DistillRequest]:
    """Ask a file that was not read as a network, unless another method was requested.

    Raises RequestError for a method that needs more of its teacher than outputs.
    """
    return _distillation(invocation.given, invocation.seen, None, black_box=True)


def _given(layers: Sequence[Layer]) -> dict[str, Any]:
    return {k: v for layer in layers for k, v in layer.values.items() if v is not None}


def _distillation(
    layers: Sequence[Layer], seen: Identified | None, teacher: Teacher | None, *, black_box: bool
) -> Invocation[DistillRequest]:
    """Put a distillation together, and choose its method where none was requested."""
    given, choice = _given(layers), None
    if given.get("method", AUTO) == AUTO:
        choice = choose(given, seen, teacher, black_box=black_box)
        layers = [
            replace(layer, values={k: v for k, v in layer.values.items() if k != "method"})
            for layer in layers
        ]
    invocation = resolve("distill", [*_defaults(given, choice), *layers])
    _check(invocation, black_box=black_box)
    return replace(invocation, given=layers, seen=seen)


def _defaults(given: Given, choice: Choice | None) -> list[Layer]:
    """List the defaults of what was given and chosen, weakest first."""
    method = choice.method if choice else given["method"]
    spec = method_spec(method)
    layers = [Layer(f"method {method}", spec.defaults)]
    if "preset" in given and "inversion" in (method, given.get("mix")):
        layers.append(Layer(f"preset {given['preset']}", preset(given["preset"]).settings))
    if choice:
        layers.append(
            Layer(f"{CHOSEN}{choice.reason}", {"method": choice.method, **choice.settings})
        )
    layers += [Layer(each.origin, each.values) for each in FOLLOWING if each.applies(given, spec)]
    if spec.asks:
        size = given.get("batch_size", spec.defaults["batch_size"])
        labels = given.get("access") == "labels"
        steps = updates_per_epoch(_answers(given), max(1, size), labels=labels)
        layers.append(Layer("the number of questions", {"steps_per_epoch": steps}))
    return layers


def _answers(given: Given) -> int:
    """Return how many answers a run will learn from, at the most."""
    budget: int = given.get("query_budget", QueryConfig().query_budget)
    if budget:
        return budget
    if "ledger" not in given:
        raise RequestError("--query-budget 0: needs --ledger, with the answers of another run")
    with Ledger(given["ledger"], read_only=True) as ledger:
        return ledger.counts.answered


def _check(invocation: Invocation[DistillRequest], *, black_box: bool) -> None:
    """Refuse, by the flag to change, what more than a table of options is needed to judge."""
    request, config = invocation.request, invocation.request.config
    specs = method_specs(config)
    asks = any(spec.asks for spec in specs.values())
    if config.mix is not None:
        _check_mix(config, asks=asks)
    if asks:
        _check_asking(request)
    elif black_box or request.answering.access in RESTRICTED:
        advice = "--method queries is for such teachers"
        raise only_outputs(f"--method {config.method}", request.teacher, advice)
    if cluster_of(request.strategy) is not None:
        _check_workers(config, asks=asks)
    for name, spec in specs.items():
        if config.recipe not in spec.recipes:
            raise RequestError(
                f"--recipe {config.recipe}: is for noise, not for --method {name}; leave"
                " --recipe out"
            )
        if spec.images == "given" and request.images is None:
            kind = "mix" if name == config.mix else "method"
            raise RequestError(f"--{kind} {name}: needs --images, {_IMAGES}")
    for name in sorted(invocation.on_command_line):
        using = owners(name)
        if using and not specs.keys() & using:
            raise RequestError(
                f"{flag(name)} {invocation.values[name]}: is for --method {' or '.join(using)}, not"
                f" for '{' and '.join(specs)}'; leave it out"
            )


def _check_mix(config: DistillConfig, *, asks: bool) -> None:
    if config.mix == config.method:
        raise RequestError(f"--mix {config.mix}: is --method already; name another method")
    if asks:
        raise RequestError(f"--mix {config.mix}: the images of --method queries cannot be mixed")
    if 0 in config.batch_shares:
        raise RequestError(
            f"--mix-share {config.mix_share}: leaves one of the methods without an image in"
            f" batches of {config.batch_size}; choose another share or a larger --batch-size"
        )


def _check_asking(request: DistillRequest) -> None:
    """Refuse what cannot be had of a teacher that is asked."""
    config, questions = request.config, request.config.queries.questions
    if questions == "images" and request.images is None:
        raise RequestError(f"--questions images: needs --images, {_IMAGES}")
    if questions not in (None, "images") and request.images is not None:
        raise RequestError(
            f"--questions {questions}: does not use --images {request.images}; leave one of them"
            " out"
        )
    if request.answering.access == "labels" and config.distance == "l1":
        raise RequestError("--distance l1: is for logits, and --access labels has none")
    if config.match != "logits":
        raise RequestError(
            f"--match {config.match}: of a teacher that is asked under a budget only outputs are"
            " seen; leave it out"
        )


def _check_workers(config: DistillConfig, *, asks: bool) -> None:
    """Refuse what several processes cannot do alike."""
    if asks:
        raise RequestError(
            f"--method {config.method}: only one process may ask the teacher, and TF_CONFIG"
            " names several; add --strategy none"
        )
    if config.minutes is not None:
        raise RequestError(
            f"--minutes {config.minutes:g}: each of several workers would measure another"
            " speed; give --epochs and --steps-per-epoch instead, or --strategy none"
        )


def check_student(invocation: Invocation[DistillRequest], student: "keras.Model | None") -> None:
    """Refuse a student that is not there, or is missing, before a teacher is read."""
    request, seen = invocation.request, invocation.seen
    if seen is not None and seen.info is None and seen.kind is not Kind.WEIGHTS:
        check_architecture(seen.path, request, student)
    if student is not None or request.student is None:
        return
    if names_model(request.student):
        look(Path(request.student))
    elif share_of_teacher(request.student) is None:
        model_spec(request.student)


def check_architecture(path: Path, request: DistillRequest, student: "keras.Model | None") -> None:
    """Refuse what cannot be done with a teacher whose architecture is not in our registry."""
    if request.student is None and student is None:
        raise RequestError(
            f"'{path}' holds an architecture of its own: name the student's with --student,"
            " such as --student lenet5, or --student teacher@0.5 for half of its own"
        )
    if request.config.recipe == "article":
        raise RequestError(
            f"--recipe article: it normalizes by batch statistics, as is done with kextract's own"
            f" networks only; leave --recipe out for '{path}'"
        )


def choose(
    given: Given, seen: Identified | None, opened: Teacher | None, *, black_box: bool
) -> Choice:
    """Choose a method for what was given on the command line and elsewhere.

    `opened` is a teacher in memory, `seen` what the file of another is. Options that only some
    methods have a use for decide before the teacher does. Raises CheckpointError for a teacher that
    cannot be opened.
    """
    teacher = given.get("teacher")
    if given.get("recipe") == "article":
        return Choice("adversarial", {}, "the article's recipe is for noise")
    asked = Choice("queries", {}, "the teacher is a black box, and every question counts")
    if black_box or (teacher is not None and given.get("access") in RESTRICTED):
        return asked
    if ASKED_FOR & given.keys():
        return Choice("queries", {}, "a budget or ledger of questions was given")
    if "images" in given:
        return Choice("surrogate", {}, "images were given to learn from")
    if "preset" in given:
        return Choice("inversion", {}, "presets are for it")
    if teacher is None:
        return Choice("inversion", {}, "no teacher was given")
    if opened is not None:
        from kextract.models.statistics import batch_norm_layers

        network, _ = opened.load("float32")
        return choose_method(opened.info.input_shape, bool(batch_norm_layers(network)))
    try:
        found = seen or look(Path(teacher))
        return choose_method(*facts_of(found, given.get("input_shape"), given.get("output_name")))
    except UnsupportedOperatorError:
        return asked


def facts_of(
    found: Identified, input_shape: str | None = None, output_name: str | None = None
) -> tuple[Shape, bool]:
    """Say which images a teacher's file is for, and whether it normalizes; without TensorFlow.

    `input_shape` is what the user says of its images, `output_name` which output is meant.
    """
    from kextract.foreign.keras import facts_of_archive
    from kextract.hdf5.safe_hdf5 import open_checked

    if found.info is not None:
        model = found.info.model
        normalizes = model == OWN_ARCHITECTURE or model_spec(model).normalizes
        return found.info.input_shape, normalizes
    if found.kind is Kind.MODEL:
        return facts_of_archive(found.where)
    if found.kind in OTHERS and found.file is not None:
        from kextract.foreign.network import glance_at

        shape = parse_input_shape(input_shape)
        tflite = found.kind is Kind.TFLITE
        return glance_at(found.file, tflite=tflite, input_shape=shape, output_name=output_name)
    with open_checked(found.where) as file:
        normalizes = any("moving_" in name or "batch_norm" in name for name in file.datasets)
    # Weights do not say what their images are like; colour is what asks for more.
    return (32, 32, 3), normalizes
