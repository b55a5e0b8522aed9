"""What every command takes, put together from the tables of options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kextract.config import shared
from kextract.config.files import preset_names
from kextract.config.option import ANY, SHARE_OF_ALL, Options, argument, at_least, option
from kextract.config.shared import (
    FOLDER,
    PLACES,
    BlackBoxOptions,
    ExternalModelOptions,
    Machine,
    NetworkOptions,
    Output,
)
from kextract.config.training import DistillConfig, GeneratorConfig, SynthesisConfig, TeacherConfig
from kextract.datasets import DATASETS
from kextract.models import MODELS, TEACHER
from kextract.models.input_range import NAMED

SPLITS = ("test", "validation", "train")
FORMATS = ("keras", "savedmodel", "tflite", "onnx")
PLOTS = ("epoch", "parameters", "questions")


@dataclass(frozen=True, kw_only=True)
class TrainRequest(Options):
    """What `train-teacher` takes."""

    dataset: str = shared.dataset(
        "Labelled images to learn: a data set, an .npz file or a folder of images.", "strokes"
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
        "Use only this many training images, class-balanced, for a quick try.",
        bounds=at_least(10),
        default_text="all",
        basic=True,
    )
    pooling: str | None = shared.pooling()
    machine: Machine = field(default_factory=Machine)
    strategy: str = shared.strategy()
    output: Output = field(default_factory=Output)
    format: str = shared.display()
    columns: str | None = shared.epoch_columns()


@dataclass(frozen=True, kw_only=True)
class DistillRequest(Options):
    """What `distill` takes."""

    teacher: Path = argument(
        "Checkpoint, Keras model, .onnx or .tflite file, SavedModel folder, or"
        " python:module:function."
    )
    student: str | None = option(
        None,
        "Architecture: a name, one with a share of its channels (mobile@0.5), a .keras file of"
        " your own, or the teacher's with a share of its multiply-adds (teacher@0.5).",
        suggestions=(*MODELS, f"{TEACHER}@0.5"),
        default_text="the teacher's",
        basic=True,
    )
    config: DistillConfig = field(default_factory=DistillConfig)
    preset: str | None = option(
        None,
        "Settings for inversion: a name, or a .toml file.",
        group="drawing",
        suggestions=preset_names,
        setting=False,
        basic=True,
    )
    images: str | None = option(
        None,
        "Images to learn from or, with queries, to ask about; resized.",
        group="given",
        metavar="NAME|NPZ|FOLDER",
        basic=True,
    )
    dataset: str | None = shared.dataset(
        "Labelled images to measure the student on; it never learns from them.",
        default_text="the teacher's, if available",
    )
    external: ExternalModelOptions = field(default_factory=ExternalModelOptions)
    answering: BlackBoxOptions = field(default_factory=BlackBoxOptions)
    machine: Machine = field(default_factory=Machine)
    strategy: str = shared.strategy()
    output: Output = field(default_factory=Output)
    ledger: Path | None = option(
        None,
        "File that keeps every question of the method queries and its answer; what is in it is not"
        " asked again.",
        panel=PLACES,
        group="asking",
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
    columns: str | None = shared.epoch_columns()


@dataclass(frozen=True, kw_only=True)
class SynthesizeRequest(Options):
    """What `synthesize` takes."""

    teacher: Path = argument("Checkpoint of the teacher, or a whole Keras model.")
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    dataset: str | None = shared.dataset(
        "The teacher's data set, only where its file does not say what its images are like."
    )
    external: ExternalModelOptions = field(default_factory=ExternalModelOptions)
    seed: int = shared.seed()
    precision: str = shared.precision()
    machine: Machine = field(default_factory=Machine)
    output: Path | None = shared.output(
        "File to write: a picture (.png), or images, classes and probabilities (.npz)."
    )
    overwrite: bool = shared.overwrite("output file")
    format: str = shared.display()


@dataclass(frozen=True, kw_only=True)
class QuickstartRequest(Options):
    """What `quickstart` takes."""

    output: Path = shared.output("Folder for the checkpoints.", FOLDER)
    seed: int = shared.seed()
    machine: Machine = field(default_factory=Machine)
    format: str = shared.display()


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(Options):
    """What `evaluate` takes."""

    checkpoints: tuple[Path, ...] = argument(
        "Checkpoints, whole Keras models or black boxes, to measure."
    )
    dataset: str | None = shared.dataset(
        "Labelled images to measure on.", default_text="the checkpoint's own"
    )
    split: str = option("test", "Part of the data set.", choices=SPLITS, basic=True)
    images: str | None = option(
        None,
        "Images without labels, of any size, in place of a data set: agreement and KL divergence"
        " with --against are measured alone.",
        requires={"against": ANY},
        excludes={"dataset": ""},
        metavar="NAME|NPZ|FOLDER",
        suggestions=DATASETS,
        basic=True,
    )
    against: Path | None = option(
        None,
        "A teacher to compare with, also a black box: agreement and KL divergence.",
        basic=True,
    )
    min_accuracy: float | None = option(
        None,
        "Exit with 3 if any accuracy is below this, such as 95%.",
        excludes={"images": "--images have no labels, --min-agreement is for them"},
        bounds=SHARE_OF_ALL,
        basic=True,
    )
    min_agreement: float | None = option(
        None,
        "Exit with 3 if any agreement with --against is below this, such as 95%.",
        requires={"against": ANY},
        bounds=SHARE_OF_ALL,
        basic=True,
    )
    external: ExternalModelOptions = field(default_factory=ExternalModelOptions)
    answering: BlackBoxOptions = field(default_factory=BlackBoxOptions)
    precision: str = shared.precision("float32")
    machine: Machine = field(default_factory=Machine)
    format: str = shared.table_format("table", "json")


@dataclass(frozen=True)
class ExportedFileOptions(ExternalModelOptions):
    """What a network does not say about itself, and which pixels the file of it is to take."""

    input_range: str | None = option(
        None,
        "Which pixels the file takes: the values of black and white, such as 0,1 or 0,255, or a"
        " usual preprocessing by its name; a network of another program takes them now.",
        metavar="LOW,HIGH|NAME|TOML",
        suggestions=NAMED,
        short="--preprocessing",
        default_text="what a student's teacher took, else -1,1",
        basic=True,
    )


@dataclass(frozen=True, kw_only=True)
class ExportRequest(Options):
    """What `export` takes."""

    checkpoint: Path = argument("Checkpoint, or a whole Keras model, to write for other programs.")
    format: str | None = option(
        None, "File format.", choices=FORMATS, default_text="by the ending of --output", basic=True
    )
    int8: bool = option(
        False,
        "Integers throughout, input and output too: a quarter of the bytes; for tflite.",
        basic=True,
    )
    float16: bool = option(False, "Weights in half the bytes; for tflite.", basic=True)
    calibrate: str | None = option(
        None,
        "Images that --int8 is calibrated on: a data set, an .npz file or a folder of images.",
        metavar="NAME|NPZ|FOLDER",
        default_text="half synthesized from the network, half procedural",
        basic=True,
    )
    softmax: bool | None = option(
        None,
        "Give probabilities, or logits.",
        off="--logits",
        default_text="what a student's teacher gave",
        basic=True,
    )
    external: ExportedFileOptions = field(default_factory=ExportedFileOptions)
    min_agreement: float | None = option(
        None,
        "Write nothing, and exit with 3, where file and checkpoint agree on a smaller share of"
        " images, such as 95%.",
        bounds=SHARE_OF_ALL,
        default_text="0.99; float16: 0.98; int8: 0.9",
    )
    dataset: str | None = shared.dataset(
        "Labelled images to check the file on, besides made-up ones.",
        default_text="the checkpoint's own, where they can be had",
    )
    seed: int = shared.seed()
    machine: Machine = field(default_factory=Machine)
    output: Path | None = shared.output("File to write, or folder for savedmodel.")
    overwrite: bool = shared.overwrite("output")
    json: bool = option(
        False, "Print the results as JSON.", panel=PLACES, setting=False, basic=True
    )


@dataclass(frozen=True, kw_only=True)
class PredictRequest(Options):
    """What `predict` takes."""

    model_file: Path = argument("Checkpoint, model file, or black box.")
    images: Path = argument(
        "An image (.png, .jpg, .gif, .webp, .bmp, .tif), a folder of images, or an .npz file."
    )
    dataset: str | None = shared.dataset(
        "The classifier's data set, only where its file does not say what its images are like."
    )
    external: ExternalModelOptions = field(default_factory=ExternalModelOptions)
    answering: BlackBoxOptions = field(default_factory=BlackBoxOptions)
    precision: str = shared.precision("float32")
    machine: Machine = field(default_factory=Machine)
    format: str = shared.table_format("table", "csv", "json")


@dataclass(frozen=True, kw_only=True)
class CompareRequest(Options):
    """What `compare` takes."""

    checkpoints: tuple[Path, ...] = argument(
        "Checkpoints, or patterns of their names in quotes, such as 'results/*.weights.h5'."
    )
    group_by: str | None = shared.group_by()
    columns: str | None = shared.metrics()
    epochs: bool = option(False, "Show every epoch instead of the summary.", basic=True)
    plot: Path | None = option(
        None, "Picture to write, ending in .png or .svg.", panel=PLACES, setting=False, basic=True
    )
    plot_by: str = option(
        "epoch",
        "What accuracy is drawn against.",
        panel=PLACES,
        choices=PLOTS,
        setting=False,
        basic=True,
    )
    overwrite: bool = shared.overwrite("picture")
    format: str = shared.table_format("table", "markdown", "csv", "json")


@dataclass(frozen=True, kw_only=True)
class ReportRequest(Options):
    """What `report` takes."""

    checkpoints: tuple[Path, ...] = argument(
        "Checkpoints of students and teachers, or patterns of their names in quotes."
    )
    title: str | None = option(
        None, "Heading of the page.", default_text="what was learned from which teacher", basic=True
    )
    group_by: str | None = shared.group_by()
    columns: str | None = shared.metrics()
    measure: bool = option(
        False,
        "Run the models on their test images too, for confusion matrices and multiply-adds.",
        basic=True,
    )
    dataset: str | None = shared.dataset(
        "With --measure: labelled images to measure on.", default_text="each checkpoint's own"
    )
    class_names: Path | None = shared.class_names()
    machine: Machine = field(default_factory=Machine)
    output: Path = shared.output("Page to write.", Path("report.html"))
    overwrite: bool = shared.overwrite("page")


@dataclass(frozen=True, kw_only=True)
class DoctorRequest(Options):
    """What `doctor` takes."""

    machine: Machine = field(default_factory=Machine)
    format: str = shared.table_format("table", "json")


@dataclass(frozen=True, kw_only=True)
class InspectRequest(Options):
    """What `inspect` takes."""

    checkpoint: Path = argument(
        "Checkpoint, model of another program or ledger of questions to look into."
    )
    external: NetworkOptions = field(default_factory=NetworkOptions)
    config: bool = option(
        False, "Print the options that made the checkpoint, as a configuration file.", basic=True
    )
    format: str = shared.table_format("table", "json")


@dataclass(frozen=True, kw_only=True)
class ListRequest(Options):
    """What `list` takes."""

    format: str = shared.table_format("table", "json")


REQUESTS: Mapping[str, type[Options]] = {
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
