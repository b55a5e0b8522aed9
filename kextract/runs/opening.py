"""The one door: whatever a command is about, a file or a network in memory, becomes a `Teacher`.

What it can do is told by what it has: a network, with kernels and gradients, or outputs alone.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.config.option import flag
from kextract.config.shared import BlackBoxOptions, ExternalModelOptions, Machine
from kextract.datasets.class_matching import matched
from kextract.datasets.class_names import are_names, read_class_names
from kextract.datasets.dataset import Dataset
from kextract.datasets.loading import load_dataset
from kextract.errors import DatasetError, RequestError, TeacherError, UnknownNameError
from kextract.exports.class_names import read_names
from kextract.foreign.keras import load_archive
from kextract.models import check_input_shape
from kextract.models.heads import LOGITS, Head
from kextract.models.input_range import PIXELS, Preprocessing, RangeGuess, parse_input_range
from kextract.runs.parts import check_fits
from kextract.storage import CheckpointInfo, model_sha256, sha256_of_tensors
from kextract.storage.checkpoint import foreign_info, load_model
from kextract.storage.info import NO_DATASET, OWN_ARCHITECTURE
from kextract.storage.opening import OTHERS, Kind, identify
from kextract.teachers import open_black_box, parse_input_shape
from kextract.teachers.black_box import FUNCTION, TIMEOUT
from kextract.teachers.networks import NotANetworkError, read_file
from kextract.text import one_line

if TYPE_CHECKING:
    import keras

    from kextract.datasets.images import Pixels
    from kextract.teachers import BlackBox
    from kextract.training.evaluation import FloatArray

ASKED_AT_ONCE = 256
RESTRICTED = ("probabilities", "labels")
"""What `--access` leaves of a teacher that could do more."""


@dataclass(frozen=True)
class Teacher:
    """A classifier, and a data set that fits it; none where it cannot be had."""

    path: Path
    info: CheckpointInfo
    data: Dataset | None = None
    missing: str = ""
    """Why there is no data set."""
    input_range: Preprocessing | None = None
    """What its network takes; None for a checkpoint of ours, which says so itself."""
    network: "tuple[keras.Model, str] | None" = None
    """The model and its hash where the architecture is not of our registry."""
    notes: tuple[str, ...] = ()
    """What is worth a line before anything is done with it."""
    doubts: tuple[str, ...] = ()
    """What may make all that follows worthless: said before anything else, and once more after."""
    black_box: "BlackBox | None" = None
    """Its outputs, where nothing else is seen of it."""
    compared: str = ""
    """How the network that was read from the file compares with the file's own runtime."""
    outputs: str = "logits"
    """What its own program gets of it, `logits` or `probabilities`; here it gives logits."""

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What is worth a line of the classifier and of its data set."""
        return (*self.notes, *(self.data.notes if self.data else ()))

    def load(self, precision: str) -> "tuple[keras.Model, str]":
        """Give the model, which maps images in [-1, 1] to logits, and the hash over its tensors.

        Raises RequestError for a black box.
        """
        if self.black_box is not None:
            raise RequestError(
                f"'{self.path}' is a black box: its outputs are seen and nothing else; distill and"
                " evaluate query it, for all else give a network (.keras, .h5, .onnx, .tflite)"
            )
        if self.network:
            return self.network
        model = load_model(self.path, self.info, precision=precision)
        digest = model_sha256(model)
        if self.input_range not in (None, PIXELS):
            from kextract.models.adapter import adapt

            shape = self.info.input_shape
            model = adapt(model, shape, head=LOGITS, input_range=self.input_range)
        return model, digest

    def logits(self, images: "Pixels", precision: str) -> "tuple[FloatArray, float]":
        """Return its logits (n, k) for images (n, h, w, c), and its weight penalty.

        A black box is asked without a ledger; logits of labels are those of smoothed ones. Raises
        TeacherError where it fails, or gives what cannot be.
        """
        if self.black_box is not None:
            return _logits_of(self.black_box, images), 0.0
        from kextract.training.evaluation import Predictor

        predictor = Predictor(self.load(precision)[0])
        return predictor.logits(images), predictor.penalty()


def open_teacher(
    path: Path,
    external: ExternalModelOptions,
    machine: Machine,
    *,
    answering: BlackBoxOptions | None = None,
    dataset: str | None = None,
    data: str = "wanted",
    precision: str = "float32",
    timeout: float = TIMEOUT,
) -> Teacher:
    """Say what a file is, read it, and load the data set it goes with.

    A file that does not say what it is needs a `dataset` and `external`; one that holds a whole
    network, at most the input range; a function, what `answering` says. `data` is `needed`, or
    `wanted`: then one that was not asked for and cannot be had is left out; or `unwanted`: then
    none is loaded where none was asked for. `precision` is that of a Keras model, which is built
    at once; `timeout` is for a function, seconds per call. Raises RequestError for what is missing,
    by its flag, CheckpointError for what cannot be read.
    """
    answering = answering or BlackBoxOptions()
    input_range = parse_input_range(external.input_range) if external.input_range else None
    identified = None if str(path).startswith(FUNCTION) else identify(path)
    kind = identified.kind if identified else None
    if identified is None or kind in (Kind.SAVED_MODEL, *OTHERS):
        if external.model is not None:
            raise RequestError(
                f"--model {external.model}: '{path}' has a network of its own; leave --model out"
            )
        labelled = own_data(path, dataset, machine, needed=data == "needed")
        refused = ""
        if identified is not None and kind in OTHERS and answering.access not in RESTRICTED:
            try:
                return named_and_measured(
                    _read(identified.path, kind, external, input_range),
                    external.class_names,
                    labelled,
                )
            except NotANetworkError as reason:
                refused = str(reason)
        found = _asked(path, external, answering, machine, input_range, timeout)
        if refused:
            found = replace(found, notes=(refused, *found.notes))
        return named_and_measured(found, external.class_names, labelled)
    if kind is Kind.MODEL:
        if external.model is not None:
            raise RequestError(
                f"--model {external.model}: '{path}' holds a whole model; leave --model out"
            )
        labelled = own_data(path, dataset, machine, needed=data == "needed")
        network, about = load_archive(
            identified.path,
            input_range=input_range,
            precision=precision,
            outputs=external.outputs,
            output_name=external.output_name,
        )
        taken = input_range or about.guess.preprocessing or PIXELS
        opened = _whole(path, network, about.sha256, about.input_shape, about.classes, taken)
        opened = replace(
            opened,
            notes=(*about_pixels(path, input_range, about.guess), *about_outputs(path, about.head)),
            doubts=doubt_about_pixels(path, input_range, about.guess),
            outputs=about.head.given,
        )
        return named_and_measured(opened, external.class_names, labelled)
    info = identified.info
    if info is None:
        return _weights(path, external, machine, dataset, input_range)
    if external.model not in (None, info.model):
        raise RequestError(
            f"--model {external.model}: '{path}' holds a '{info.model}'; leave --model out"
        )
    opened = Teacher(path, info)
    labelled = None
    if dataset is None and data == "unwanted":
        pass
    elif dataset is None and info.dataset == NO_DATASET:
        if data == "needed":
            raise _nameless(path)
        opened = replace(opened, missing=str(_nameless(path)))
    else:
        try:
            labelled = load_dataset(dataset or info.dataset, machine.data_dir)
        except (DatasetError, UnknownNameError) as error:
            # A file of images is known to a checkpoint by its name alone.
            if dataset is not None or data == "needed":
                raise
            opened = replace(opened, missing=str(error))
    return named_and_measured(opened, external.class_names, labelled)


def _read(
    path: Path, kind: Kind, external: ExternalModelOptions, input_range: Preprocessing | None
) -> Teacher:
    """Read a file of another program as a network. Raises NotANetworkError."""
    found = read_file(
        path,
        kind,
        input_shape=parse_input_shape(external.input_shape) if external.input_shape else None,
        input_range=input_range,
        outputs=external.outputs,
        output_name=external.output_name,
    )
    opened = _whole(
        path,
        found.network,
        model_sha256(found.network),
        found.input_shape,
        found.classes,
        found.input_range,
    )
    names = read_names(path)
    if len(names) == found.classes and are_names(names):
        opened = replace(opened, info=replace(opened.info, class_names=names))
    return replace(
        opened,
        notes=(
            *found.notes,
            *about_pixels(path, input_range, found.guess),
            *about_outputs(path, found.head),
        ),
        doubts=doubt_about_pixels(path, input_range, found.guess),
        outputs=found.head.given,
        compared=found.compared,
    )


def _asked(
    path: Path,
    external: ExternalModelOptions,
    answering: BlackBoxOptions,
    machine: Machine,
    input_range: Preprocessing | None,
    timeout: float,
) -> Teacher:
    """Open what only gives its outputs."""
    black_box = open_black_box(
        str(path),
        input_shape=parse_input_shape(external.input_shape) if external.input_shape else None,
        classes=answering.classes,
        input_range=input_range,
        access=answering.access,
        threads=machine.threads,
        timeout=timeout,
        outputs=external.outputs,
        output_name=external.output_name,
    )
    info = info_without_architecture(black_box.input_shape, black_box.classes)
    names = () if str(path).startswith(FUNCTION) else read_names(path)
    if len(names) == black_box.classes and are_names(names):
        info = replace(info, class_names=names)
    return Teacher(
        path,
        info,
        missing=f"name them with --dataset; '{path}' is a black box",
        notes=about_outputs(path, getattr(black_box, "head", LOGITS)),
        black_box=black_box,
        outputs="logits" if black_box.outputs == "logits" else "probabilities",
    )


def _logits_of(black_box: "BlackBox", images: "Pixels") -> "FloatArray":
    from kextract.methods.committee import target_logits
    from kextract.models.batches import in_batches
    from kextract.teachers.checking import checked

    def ask(part: "Pixels") -> NDArray[Any]:
        try:
            return checked(black_box(part), black_box.outputs, len(part), black_box.classes)
        except Exception as error:  # Services fail in every way there is.
            raise TeacherError(f"'{black_box.name}': {type(error).__name__}: {error}") from error

    outputs = in_batches(ask, images, ASKED_AT_ONCE)
    return target_logits(outputs, black_box.outputs, black_box.classes).astype(np.float64)


def about_pixels(path: Path, requested: Preprocessing | None, guess: RangeGuess) -> tuple[str, ...]:
    """Say which pixels a network is given that nobody asked for, or why others look right."""
    found = guess.preprocessing
    if requested is None and found is None:
        return (
            f"'{path}' is given pixels as {PIXELS}, as {guess.reason}; --input-range says which"
            " it takes",
        )
    if requested is None and guess.rival is None:
        doubt = "" if guess.confident else "; --input-range says otherwise"
        return (f"'{path}' is given pixels as {found}: {guess.reason}{doubt}",)
    if guess.confident and found != requested:
        return (
            f"--input-range {requested}: '{path}' looks as if it takes {found}: {guess.reason}",
        )
    return ()


def named_and_measured(opened: Teacher, class_names: Path | None, data: Dataset | None) -> Teacher:
    """Give a classifier the names in a file, and a data set with the labels of its outputs.

    Raises RequestError for a file that does not fit, DatasetError for such a data set.
    """
    info, notes = opened.info, opened.notes
    if class_names is not None:
        names = read_class_names(class_names, info.classes)
        if info.class_names and names != info.class_names:
            notes += (f"--class-names {class_names}: in place of the names in '{opened.path}'",)
        info = replace(info, class_names=names)
    if data is None:
        return replace(opened, info=info, notes=notes)
    check_fits(data, info, opened.path)
    data, names = matched(data, f"'{opened.path}'", info.class_names, info.classes)
    info = replace(info, class_names=names)
    if opened.network is not None or opened.black_box is not None:
        info = replace(info, dataset=data.name, flip=data.flip)
    return replace(opened, info=info, data=data, missing="", notes=notes)


def doubt_about_pixels(
    path: Path, requested: Preprocessing | None, guess: RangeGuess
) -> tuple[str, ...]:
    """Say that two ranges are close, with the two commands that settle which one it is."""
    found, rival = guess.preprocessing, guess.rival
    if requested is not None or found is None or rival is None:
        return ()
    command = f"kextract evaluate {shlex.quote(one_line(path))} -d DATA --input-range"
    return (
        f"'{path}' may be given the wrong pixels: {guess.reason}, and {rival} nearly as well;"
        f" {found} is taken. Labelled images of its kind settle it: {command}{found.typed} and"
        f" {command}{rival.typed}",
    )


def about_outputs(path: Path, head: Head) -> tuple[str, ...]:
    """Say what outputs are taken for where that is not sure."""
    if head.confident:
        return ()
    return (
        f"the outputs of '{path}' are taken for {head.outputs}: {head.reason}; --outputs says"
        " otherwise",
    )


def check_options_are_used(
    external: ExternalModelOptions, *teachers: Teacher, answering: BlackBoxOptions | None = None
) -> None:
    """Refuse to be told what every file says by itself."""
    first = teachers[0].path
    black = any(each.black_box is not None for each in teachers)
    told = black or any(each.network is not None for each in teachers)
    if external.input_range is not None and not (told or any(t.input_range for t in teachers)):
        raise RequestError(
            f"--input-range {external.input_range}: '{first}' says itself that it takes -1,1; leave"
            " --input-range out"
        )
    for name in ("outputs", "output_name"):
        value = getattr(external, name)
        if value is not None and not told:
            raise RequestError(
                f"{flag(name)} {value}: '{first}' says itself that it gives logits; leave"
                f" {flag(name)} out"
            )
    if external.input_shape is not None and not told:
        raise RequestError(
            f"--input-shape {external.input_shape}: '{first}' says itself what it takes; leave it"
            " out"
        )
    if answering is not None and answering.classes is not None and not black:
        raise RequestError(
            f"--classes {answering.classes}: '{first}' says itself what it knows; leave it out"
        )


def in_memory(
    model: "keras.Model",
    machine: Machine,
    *,
    dataset: str | None = None,
    input_range: Preprocessing | None = None,
    class_names: Path | None = None,
    outputs: str | None = None,
    output_name: str | None = None,
) -> Teacher:
    """Take a classifier that was built or loaded in Python; it is never changed.

    It takes pixels in `input_range`; what it gives is found out as for a file, unless `outputs`
    says it, and `output_name` says which of several outputs is meant. Raises RequestError for a
    model of another kind.
    """
    from kextract.foreign.keras.classifier import in_memory as taken_from_memory
    from kextract.models.infer_range import guess_input_range

    name = Path(model.name)
    labelled = own_data(name, dataset, machine, needed=False)
    chosen = input_range or PIXELS
    found = taken_from_memory(model, input_range=chosen, outputs=outputs, output_name=output_name)
    shape = found.classifier.input_shape[1:]
    guess = guess_input_range(found.network, shape)
    try:
        digest = model_sha256(found.classifier)
    except ValueError:
        # A custom layer may save whatever it likes.
        weights = found.classifier.get_weights()
        digest = sha256_of_tensors({str(place): value for place, value in enumerate(weights)})
    classes = int(found.classifier.output_shape[-1])
    opened = _whole(name, found.classifier, digest, shape, classes, chosen)
    notes = (*about_pixels(name, chosen, guess), *about_outputs(name, found.head))
    opened = replace(opened, notes=notes, outputs=found.head.given)
    return named_and_measured(opened, class_names, labelled)


def _whole(
    path: Path,
    network: "keras.Model",
    digest: str,
    input_shape: tuple[int, int, int],
    classes: int,
    input_range: Preprocessing,
) -> Teacher:
    """Describe a network whose architecture is not of our registry."""
    info = info_without_architecture(input_shape, classes)
    return Teacher(
        path,
        info,
        missing=str(_nameless(path)),
        input_range=input_range,
        network=(network, digest),
    )


def info_without_architecture(input_shape: tuple[int, int, int], classes: int) -> CheckpointInfo:
    """Describe a classifier whose architecture is not of our registry."""
    check_input_shape(input_shape)
    return CheckpointInfo(
        kind="teacher",
        model=OWN_ARCHITECTURE,
        pooling="none",
        input_shape=input_shape,
        classes=classes,
        dataset=NO_DATASET,
        class_names=(),
        flip=False,
        seed=0,
        precision="float32",
        config={},
    )


def _weights(
    path: Path,
    external: ExternalModelOptions,
    machine: Machine,
    dataset: str | None,
    input_range: Preprocessing | None,
) -> Teacher:
    """Open weights that say nothing about themselves, by what the user says of them."""
    if dataset is None:
        raise _nameless(path)
    data = load_dataset(dataset, machine.data_dir)
    names = external.class_names
    info = foreign_info(
        path,
        external.model,
        external.pooling,
        dataset=data.name,
        input_shape=data.input_shape,
        classes=data.classes if names is None else len(read_class_names(names)),
        class_names=(),
        flip=data.flip,
    )
    opened = Teacher(path, info, input_range=input_range or PIXELS)
    return named_and_measured(opened, external.class_names, data)


def own_data(path: Path, dataset: str | None, machine: Machine, *, needed: bool) -> Dataset | None:
    """Load the data set that was named for a file that says nothing of one."""
    if dataset is None and needed:
        raise _nameless(path)
    return load_dataset(dataset, machine.data_dir) if dataset is not None else None


def _nameless(path: Path) -> RequestError:
    return RequestError(f"'{path}' does not say which images it is for: name them with --dataset")
