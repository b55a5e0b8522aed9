"""What every command can be asked for, put together from the tables in `kextract.config`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kextract.config import (
    DistillConfig,
    GeneratorConfig,
    SynthesisConfig,
    TeacherConfig,
    shared,
)
from kextract.config.option import argument, at_least, option
from kextract.config.presets import preset, preset_names
from kextract.config.resolve import Invocation, Layer, resolve
from kextract.config.shared import PLACES, Answering, Foreign, Machine, Output
from kextract.datasets import dataset_names
from kextract.methods import method_spec
from kextract.methods.auto import Facts
from kextract.models import MODELS, TEACHER, share_of_teacher
from kextract.runs import rules
from kextract.runs.choosing import choose
from kextract.runs.outputs import FOLDER
from kextract.runs.request import Request
from kextract.runs.requests_of_finished import (
    CompareRequest,
    DoctorRequest,
    EvaluateRequest,
    ExportRequest,
    InspectRequest,
    ListRequest,
    PredictRequest,
    ReportRequest,
)

AUTO, CHOSEN = "auto", "chosen: "
_CHOOSE = ("method", AUTO)


@dataclass(frozen=True, kw_only=True)
class TrainRequest(Request):
    """What `train-teacher` takes."""

    dataset: str = shared.dataset(
        "Labelled images to learn: a data set, an .npz file or a folder of images.",
        "strokes",
        suggestions=dataset_names,
    )
    model: str = option(
        "resnet11",
        "Architecture; kextract list describes them.",
        short="-m",
        suggestions=MODELS,
        basic=True,
    )
    config: TeacherConfig = field(default_factory=TeacherConfig)
    limit: int | None = option(
        None,
        "Use only this many training images, drawn evenly from all classes, for a quick try.",
        bounds=at_least(10),
        default_text="all",
        basic=True,
    )
    pooling: str | None = shared.pooling()
    machine: Machine = field(default_factory=Machine)
    strategy: str = shared.strategy()
    output: Output = field(default_factory=Output)
    format: str = shared.display()


@dataclass(frozen=True, kw_only=True)
class DistillRequest(Request):
    """What `distill` takes."""

    teacher: Path = argument(
        "Checkpoint, whole Keras model or black box: an .onnx or .tflite file, a SavedModel folder,"
        " or python:module:function."
    )
    student: str | None = option(
        None,
        "Architecture: a name, a .keras file of your own, or the teacher's with a share of its"
        " parameters, such as teacher@0.5.",
        suggestions=(*MODELS, f"{TEACHER}@0.5"),
        default_text="the teacher's",
        basic=True,
    )
    config: DistillConfig = field(default_factory=DistillConfig)
    preset: str | None = option(
        None,
        "Settings for inversion: a name, or a .toml file.",
        suggestions=preset_names,
        setting=False,
        basic=True,
    )
    images: str | None = option(
        None,
        "Images to learn from or, with queries, to ask about; resized.",
        metavar="NAME|NPZ|FOLDER",
        basic=True,
    )
    dataset: str | None = shared.dataset(
        "Labelled images to measure the student on; it never learns from them.",
        default_text="the teacher's, if available",
        suggestions=dataset_names,
    )
    foreign: Foreign = field(default_factory=Foreign)
    answering: Answering = field(default_factory=Answering)
    machine: Machine = field(default_factory=Machine)
    strategy: str = shared.strategy()
    output: Output = field(default_factory=Output)
    ledger: Path | None = option(
        None,
        "File that keeps every question of the method queries and its answer; what is in it is not"
        " asked again.",
        panel=PLACES,
        default_text="beside the output, ending in .ledger.db",
        setting=False,
    )
    save_images: int = option(
        0,
        "Write a picture of the student's images beside the output every so many epochs, a row for"
        " each class; 0 is never.",
        panel=PLACES,
        bounds=at_least(0),
        setting=False,
    )
    format: str = shared.display()

    @classmethod
    def layers(cls, given: Mapping[str, Any], facts: Facts | None = None) -> Sequence[Layer]:
        """Return the defaults of the method, and above them those of the preset.

        Without a method, one is chosen by what else was given and by the teacher.
        """
        if given.get("method") not in (None, AUTO):
            return [
                *_defaults_of(given["method"], given.get("preset")),
                *_defaults_for(given["method"], given.get("access")),
                *_defaults_of_student(given.get("student")),
                *_defaults_of_distance(given),
            ]
        choice = choose(given, facts)
        chosen = {"method": choice.method, **choice.settings}
        return [
            *_defaults_of(choice.method, given.get("preset")),
            *_defaults_for(choice.method, given.get("access")),
            Layer(f"{CHOSEN}{choice.reason}", chosen),
            *_defaults_of_student(given.get("student")),
            *_defaults_of_distance(given),
        ]


def _defaults_for(method: str, access: str | None) -> list[Layer]:
    """Labels say nothing that could be softened, and little: students choose more of them."""
    if access != "labels" or not method_spec(method).asks:
        return []
    return [Layer("access labels", {"temperature": 1.0, "first_share": 0.05, "query_rounds": 12})]


def _defaults_of_student(name: str | None) -> list[Layer]:
    """A student that begins as its teacher is corrected by small steps."""
    if name is None or share_of_teacher(name) is None:
        return []
    return [Layer(f"student {name}", {"optimizer": "muon", "learning_rate": 0.002})]


def _defaults_of_distance(given: Mapping[str, Any]) -> list[Layer]:
    """Whoever says how logits are compared wants them to be compared."""
    if not {"distance", "temperature"} & given.keys():
        return []
    return [Layer("distance requested", {"match": "logits"})]


def _defaults_of(method: str, name: str | None) -> list[Layer]:
    layers = [Layer(f"method {method}", method_spec(method).defaults)]
    if name is not None:
        layers.append(Layer(f"preset {name}", preset(name).settings))
    return layers


@dataclass(frozen=True, kw_only=True)
class SynthesizeRequest(Request):
    """What `synthesize` takes."""

    teacher: Path = argument("Checkpoint of the teacher, or a whole Keras model.")
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    dataset: str | None = shared.dataset(
        "The teacher's data set, only where its file does not say what its images are like.",
        suggestions=dataset_names,
    )
    foreign: Foreign = field(default_factory=Foreign)
    seed: int = shared.seed()
    precision: str = shared.precision()
    machine: Machine = field(default_factory=Machine)
    output: Path | None = option(
        None,
        "File to write: a picture (.png), or images, classes and probabilities (.npz).",
        panel=PLACES,
        short="-o",
        default_text="a name in checkpoints/",
        setting=False,
        basic=True,
    )
    overwrite: bool = option(
        False, "Replace an existing output file.", panel=PLACES, setting=False, basic=True
    )
    format: str = shared.display()


@dataclass(frozen=True, kw_only=True)
class QuickstartRequest(Request):
    """What `quickstart` takes."""

    output: Path = option(
        FOLDER,
        "Folder for the checkpoints.",
        panel=PLACES,
        short="-o",
        setting=False,
        basic=True,
    )
    seed: int = shared.seed()
    machine: Machine = field(default_factory=Machine)
    format: str = shared.display()


REQUESTS: Mapping[str, type[Request]] = {
    "quickstart": QuickstartRequest,
    "train-teacher": TrainRequest,
    "distill": DistillRequest,
    "synthesize": SynthesizeRequest,
    "evaluate": EvaluateRequest,
    "export": ExportRequest,
    "predict": PredictRequest,
    "compare": CompareRequest,
    "report": ReportRequest,
    "inspect": InspectRequest,
    "list": ListRequest,
    "doctor": DoctorRequest,
}


def invoke(command: str, *layers: Layer, facts: Facts | None = None) -> Invocation[Any]:
    """Put a command's request together from what was given, weakest layer first.

    `facts` are those of a teacher that is in memory; others are read from the teacher's file.
    Raises RequestError for what cannot be, and for combinations that make no sense.
    """
    cls = REQUESTS[command]
    given = {name: value for layer in layers for name, value in layer.values.items()}
    if given.get("method") == AUTO:
        layers = tuple(
            replace(layer, values={k: v for k, v in layer.values.items() if (k, v) != _CHOOSE})
            for layer in layers
        )
    invocation = resolve(command, cls, [*cls.layers(given, facts), *layers])
    if command == "distill":
        rules.check_distill(invocation)
    return invocation
