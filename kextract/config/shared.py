"""Options that several commands share, each declared once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kextract.config.option import Bounds, Options, at_least, option
from kextract.datasets import DATASETS
from kextract.errors import RequestError
from kextract.models import MODELS, POOLINGS
from kextract.models.axes import Shape
from kextract.models.heads import OUTPUTS
from kextract.models.input_range import NAMED, Preprocessing, parse_input_range
from kextract.replicas import STRATEGIES

PRECISIONS = ("auto", "float32", "bfloat16")
SCHEDULES = ("constant", "cosine")
ACCESS = ("full", "probabilities", "labels")
DISPLAYS = ("auto", "live", "plain", "json", "quiet")
MACHINE, NETWORKS, PLACES = "Machine", "Networks", "Files and display"
FOLDER = Path("checkpoints")
"""Where files are written whose place is not given."""


def seed() -> Any:
    """Declare the seed that repeats a run."""
    return option(
        0,
        "Repeats a run bit for bit on the same machine.",
        panel=MACHINE,
        basic=True,
        bounds=Bounds(lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295"),
    )


def precision(default: str = "auto") -> Any:
    """Declare the precision that a model is computed in."""
    return option(
        default,
        "Precision; auto is bfloat16 where the hardware computes it natively, else float32.",
        panel=MACHINE,
        choices=PRECISIONS,
    )


def strategy() -> Any:
    """Declare which devices and processes share the work."""
    return option(
        "auto",
        "What shares the work of a batch: mirrored, the GPUs of this machine; multiworker, the"
        " processes that TF_CONFIG names; auto, those processes if there are several.",
        panel=MACHINE,
        choices=STRATEGIES,
        setting=False,
    )


def display() -> Any:
    """Declare how the epochs of a run are shown."""
    return option(
        "auto",
        "How epochs are shown; auto is live on a terminal, else plain.",
        basic=True,
        panel=PLACES,
        choices=DISPLAYS,
        setting=False,
    )


def epoch_columns() -> Any:
    """Declare what an epoch of a run shows."""
    return option(
        None,
        "Columns of the table, separated by commas, such as epoch,accuracy,class_shares; an unknown"
        " name lists them.",
        panel=PLACES,
        metavar="COLUMN,...",
        default_text="those that matter; all from 120 characters on",
        setting=False,
    )


def output(help: str, default: Path | None = None) -> Any:
    """Declare the file that a command writes."""
    return option(
        default,
        help,
        panel=PLACES,
        basic=True,
        short="-o",
        default_text=None if default else "a name in checkpoints/",
        setting=False,
    )


def overwrite(what: str) -> Any:
    """Declare whether a file that exists is replaced."""
    return option(False, f"Replace an existing {what}.", panel=PLACES, basic=True, setting=False)


def table_format(*formats: str) -> Any:
    """Declare how a table of results is printed."""
    return option("table", "How results are printed.", basic=True, choices=formats, setting=False)


def group_by() -> Any:
    """Declare which runs are taken together."""
    return option(
        None,
        "Take runs together by these options, separated by commas, such as method,student; name is"
        " the file's name without its seed, none is each run alone.",
        metavar="OPTION,...",
        default_text="runs that differ only in their seed",
        basic=True,
    )


def metrics() -> Any:
    """Declare what is shown of runs."""
    return option(
        None,
        "Metrics to show, separated by commas: starting_, best_, last_, mean_ or test_ before the"
        " metric of an epoch, such as last_agreement; also teacher_share, minutes, parameters."
        " article is what the article's tables have.",
        metavar="METRIC,...",
        default_text="accuracy and agreement on test images, then on validation images",
        basic=True,
    )


def pooling() -> Any:
    """Declare the pooling before a classifier."""
    return option(
        None,
        "Pooling before a ResNet's classifier.",
        panel=NETWORKS,
        choices=POOLINGS,
        default_text="article where its 8x8 averages fit, else none",
    )


def dataset(help: str, default: str | None = None, **about: Any) -> Any:
    """Declare the data set of a command."""
    about = {"short": "-d", "metavar": "NAME|NPZ|FOLDER", "basic": True, **about}
    return option(default, help, suggestions=DATASETS, **about)


def class_names() -> Any:
    """Declare what the outputs of a classifier are called."""
    return option(
        None,
        "File with the names of the classifier's outputs in their order, one per line, in place of"
        " what its own file says; labels of a data set are matched to them by name.",
        panel=NETWORKS,
        metavar="FILE",
    )


def parse_input_shape(text: str | None) -> Shape | None:
    """Read `HEIGHT,WIDTH,CHANNELS`, as `--input-shape` has it. Raises RequestError."""
    if text is None:
        return None
    try:
        height, width, channels = (int(word) for word in text.split(","))
    except ValueError:
        height = width = channels = 0
    if min(height, width, channels) < 1:
        raise RequestError(f"--input-shape {text}: must be HEIGHT,WIDTH,CHANNELS, such as 28,28,1")
    return height, width, channels


@dataclass(frozen=True)
class Machine(Options):
    """What a command may use of the machine."""

    threads: int | None = option(
        None,
        "Processor threads; for several runs side by side, 1 for each of them is best.",
        panel=MACHINE,
        bounds=at_least(1),
        default_text="all processors",
        setting=False,
    )
    data_dir: Path | None = option(
        None,
        "Folder with NAME.npz files, read before anything is downloaded. Its environment variable"
        " is KEXTRACT_DATA.",
        panel=PLACES,
        environment="KEXTRACT_DATA",
        setting=False,
    )


@dataclass(frozen=True)
class Output(Options):
    """Where a run writes its checkpoint."""

    output: Path | None = output(
        "Checkpoint to write, ending in .weights.h5; options in braces, such as {seed}, are filled"
        " in."
    )
    overwrite: bool = overwrite("output file")
    resume: bool = option(
        False,
        "Continue the unfinished run of the same output.",
        panel=PLACES,
        setting=False,
        basic=True,
    )
    extendable: bool = option(
        False,
        "Keep beside the output what it takes to train further: --resume with more --epochs"
        " continues a finished run. Needs --schedule constant.",
        requires={"schedule": "constant"},
        panel=PLACES,
        setting=False,
    )
    skip_existing: bool = option(
        False,
        "Do nothing where the output is there already, and continue an unfinished run of it: for a"
        " batch that is repeated.",
        excludes={"overwrite": ""},
        panel=PLACES,
        setting=False,
    )
    metrics: Path | None = option(
        None,
        "File for the metrics of every epoch, ending in .csv or .jsonl; options in braces are"
        " filled in.",
        panel=PLACES,
        setting=False,
    )
    tensorboard: Path | None = option(
        None,
        "Folder for TensorBoard, with metrics and images by epoch; options in braces are filled"
        " in.",
        panel=PLACES,
        setting=False,
    )


@dataclass(frozen=True)
class BlackBoxOptions(Options):
    """What a black-box teacher does not say about itself, and how much it may say."""

    classes: int | None = option(
        None,
        "Number of classes, where the teacher does not say it.",
        panel=NETWORKS,
        bounds=at_least(2),
    )
    access: str | None = option(
        None,
        "What the student may use of the teacher: full is all that it has, probabilities or labels"
        " are its outputs alone.",
        panel=NETWORKS,
        choices=ACCESS,
        default_text="full; of a python: function, probabilities",
    )


@dataclass(frozen=True)
class NetworkOptions(Options):
    """What the file of a network does not say about its images and outputs."""

    input_shape: str | None = option(
        None,
        "Size of the images, where a network or function does not say it, such as 28,28,1.",
        panel=NETWORKS,
        metavar="HEIGHT,WIDTH,CHANNELS",
    )
    outputs: str | None = option(
        None,
        "What a network of another program gives: logits, probabilities, their logarithms; or, of"
        " labels of which an image may have several, sigmoids (a probability for each on its own)"
        " or label-logits (the logits of these).",
        panel=NETWORKS,
        choices=OUTPUTS,
        default_text="what its last operation says, else what made-up images show",
    )
    output_name: str | None = option(
        None,
        "Output that classifies, by its name, of a network of another program that has several;"
        " kextract inspect lists them.",
        panel=NETWORKS,
        metavar="NAME",
        default_text="the only one",
    )

    @property
    def shape(self) -> Shape | None:
        """Height, width and channels of an image, as `--input-shape` says. Raises RequestError."""
        return parse_input_shape(self.input_shape)


@dataclass(frozen=True)
class ExternalModelOptions(NetworkOptions):
    """What a file of another program does not say about itself."""

    model: str | None = option(
        None,
        "Architecture, where a file holds weights of another program only.",
        panel=NETWORKS,
        short="-m",
        suggestions=MODELS,
    )
    pooling: str | None = pooling()
    input_range: str | None = option(
        None,
        "Pixels that a network of another program takes: black and white, such as 0,255, or the"
        " name of a usual preprocessing, or a .toml file with mean and std per channel.",
        panel=NETWORKS,
        short="--preprocessing",
        metavar="LOW,HIGH|NAME|TOML",
        suggestions=NAMED,
        default_text="what its file says, else -1,1",
        basic=True,
    )
    class_names: Path | None = class_names()

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What `--input-range` says. Raises RequestError."""
        return parse_input_range(self.input_range) if self.input_range else None
