"""The one door: whatever a command is about, a file or a network in memory, becomes a `Teacher`.

What it can do follows from what it has: a network, with kernels and gradients, or outputs alone.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.config.option import flag
from kextract.config.requests import DistillRequest
from kextract.config.resolve import OUTPUTS, Invocation
from kextract.config.shared import BlackBoxOptions, ExternalModelOptions, Machine
from kextract.datasets.class_matching import matched
from kextract.datasets.images import Dataset
from kextract.datasets.loading import load_dataset
from kextract.datasets.names import are_names, read_class_names
from kextract.errors import DatasetError, RequestError, TeacherError, UnknownNameError
from kextract.exports.formats import read_names
from kextract.foreign import ExternalNetwork
from kextract.foreign.keras import load_archive
from kextract.hdf5.safe_hdf5 import OpenFile
from kextract.models import check_input_shape, model_pooling
from kextract.models.heads import LOGITS, PER_LABEL
from kextract.models.input_range import PIXELS, Preprocessing
from kextract.storage import CheckpointInfo, model_sha256, sha256_of_tensors
from kextract.storage.checkpoint import load_model
from kextract.storage.info import NO_DATASET, OWN_ARCHITECTURE
from kextract.storage.opening import OTHERS, Identified, Kind, identify
from kextract.teachers import FileOptions
from kextract.teachers.black_box import FUNCTION, TIMEOUT
from kextract.teachers.networks import NotANetworkError, read_file
from kextract.teachers.opening import open_black_box
from kextract.text import dimensions

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
    file: OpenFile | None = None
    """A checkpoint, or weights of another program, open since it was looked at."""
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
    outputs: str = "logits"
    """What its own program gets of it, see `Head.given`; here it gives logits."""

    @property
    def by_label(self) -> bool:
        """Whether it says of each label on its own whether an image has it."""
        return self.outputs in PER_LABEL

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What is worth a line of the classifier and of its data set."""
        return (*self.notes, *(self.data.notes if self.data else ()))

    def load(self, precision: str) -> "tuple[keras.Model, str]":
        """Give the model, which maps images in [-1, 1] to logits, and the hash over its tensors.

        Raises RequestError for a black box.
        """
        if self.black_box is not None:
            advice = "distill and evaluate query it, for all else give a network (.keras, .onnx)"
            raise only_outputs("its network", self.path, advice)
        if self.network:
            return self.network
        model, digest = load_model(self.file or self.path, self.info, precision=precision)
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


def only_outputs(wanted: str, path: Path, advice: str) -> RequestError:
    """Refuse what is wanted of a teacher, by its flag, and takes more of it than outputs."""
    return RequestError(
        f"{wanted}: '{path}' is a black box, of which outputs are seen and nothing else; {advice}"
    )


def look(path: Path) -> Identified:
    """Say what a command was given, without reading more of it than that takes.

    Raises CheckpointError, with what to do, for what is missing, damaged or is not a model.
    """
    return Identified(path, Kind.FUNCTION) if str(path).startswith(FUNCTION) else identify(path)


def open_teacher(
    where: "Path | Identified | keras.Model",
    external: ExternalModelOptions,
    machine: Machine,
    *,
    answering: BlackBoxOptions | None = None,
    dataset: str | None = None,
    needs_data: bool = False,
    precision: str = "float32",
    timeout: float = TIMEOUT,
) -> Teacher:
    """Read a file, or take a network in memory, and load the data set that was named for it.

    A file that does not say what it is needs a `dataset` and `external`; one that holds a whole
    network, at most the input range; a function, what `answering` says. Where none is named and it
    `needs_data`, a checkpoint's own data set is loaded. `precision` is that of a Keras model, which
    is built at once; `timeout` is for a function, seconds per call. Raises RequestError for what is
    missing, by its flag, CheckpointError for what cannot be read.
    """
    taken = external.preprocessing
    if not isinstance(where, Path | Identified):
        data = _named_data(Path(where.name), dataset, machine, needed=needs_data)
        return named_and_measured(_in_memory(where, external, taken), external.class_names, data)
    found = look(where) if isinstance(where, Path) else where
    own = found.info.dataset if found.info is not None else NO_DATASET
    if dataset is None and needs_data and own != NO_DATASET:
        dataset = own
    _check_architecture(found, external.model)
    needed = needs_data or found.kind is Kind.WEIGHTS
    data = _named_data(found.path, dataset, machine, needed=needed)
    if found.info is not None:
        missing = str(_nameless(found.path))
        given = str(found.info.config.get(OUTPUTS, "logits"))
        opened = Teacher(found.path, found.info, found.file, missing=missing, outputs=given)
    elif data is not None and found.kind is Kind.WEIGHTS:
        opened = _weights(found, external, data, taken)
    elif found.kind is Kind.MODEL:
        opened = _archive(found, external, taken, precision)
    else:
        opened = _other(found, external, answering or BlackBoxOptions(), machine, taken, timeout)
    return named_and_measured(opened, external.class_names, data)


def teacher_of(invocation: Invocation[DistillRequest]) -> Teacher:
    """Open the teacher of a distillation, with a data set to measure on where it can be had."""
    request = invocation.request
    teacher = open_teacher(
        invocation.seen or request.teacher,
        request.external,
        request.machine,
        answering=request.answering,
        dataset=request.dataset,
        precision=request.config.precision,
        timeout=request.config.queries.query_timeout,
    )
    check_options_are_used(request.external, teacher, answering=request.answering)
    return with_its_data(teacher, request.machine)


def with_its_data(teacher: Teacher, machine: Machine) -> Teacher:
    """Add the data set that a checkpoint names, if none is there and it can be had."""
    if teacher.data is not None or teacher.info.dataset == NO_DATASET:
        return teacher
    try:
        data = load_dataset(teacher.info.dataset, machine.data_dir)
    except (DatasetError, UnknownNameError) as error:
        # A file of images is known to a checkpoint by its name alone.
        return replace(teacher, missing=str(error))
    return named_and_measured(teacher, None, data)


def _check_architecture(found: Identified, requested: str | None) -> None:
    """Refuse --model where the file holds the architecture."""
    if requested is None or found.kind is Kind.WEIGHTS:
        return
    holds = "holds a whole model" if found.kind is Kind.MODEL else "has a network of its own"
    if found.info is not None:
        if requested == found.info.model:
            return
        holds = f"holds a '{found.info.model}'"
    raise RequestError(f"--model {requested}: '{found.path}' {holds}; leave --model out")


def _other(
    found: Identified,
    external: ExternalModelOptions,
    answering: BlackBoxOptions,
    machine: Machine,
    taken: Preprocessing | None,
    timeout: float,
) -> Teacher:
    """Read an .onnx or .tflite file as a network; open all else, and what is not read, as is."""
    refused: tuple[str, ...] = ()
    if found.kind in OTHERS and answering.access not in RESTRICTED:
        try:
            return _read(found, external, taken)
        except NotANetworkError as reason:
            refused = (str(reason),)
    opened = _asked(found, external, answering, machine, taken, timeout)
    return replace(opened, notes=(*refused, *opened.notes))


def _archive(
    found: Identified, external: ExternalModelOptions, taken: Preprocessing | None, precision: str
) -> Teacher:
    """Read a whole Keras model."""
    network = load_archive(
        found.where,
        input_range=taken,
        precision=precision,
        outputs=external.outputs,
        output_name=external.output_name,
    )
    return _external(found.path, network, taken)


def _read(
    identified: Identified, external: ExternalModelOptions, input_range: Preprocessing | None
) -> Teacher:
    """Read a file of another program as a network. Raises NotANetworkError."""
    network = read_file(
        identified,
        input_shape=external.shape,
        input_range=input_range,
        outputs=external.outputs,
        output_name=external.output_name,
    )
    opened = _external(identified.path, network, input_range)
    names = _names_in(identified, network.classes)
    return replace(opened, info=replace(opened.info, class_names=names))


def _external(path: Path, found: ExternalNetwork, requested: Preprocessing | None) -> Teacher:
    """Make a teacher of a network of another program; `requested` is what pixels it takes."""
    guess, head = found.guess, found.head
    return Teacher(
        path,
        info_without_architecture(found.input_shape, found.classes),
        missing=str(_nameless(path)),
        input_range=found.input_range,
        network=(found.model, found.sha256 or _sha256(found.model)),
        notes=(*found.notes, *guess.notes(path, requested), *head.notes(path)),
        doubts=guess.doubts(path, requested),
        outputs=head.given,
    )


def _sha256(model: "keras.Model") -> str:
    try:
        return model_sha256(model)
    except ValueError:
        # A custom layer may save whatever it likes.
        weights = model.get_weights()
        return sha256_of_tensors({str(place): value for place, value in enumerate(weights)})


def _asked(
    found: Identified,
    external: ExternalModelOptions,
    answering: BlackBoxOptions,
    machine: Machine,
    input_range: Preprocessing | None,
    timeout: float,
) -> Teacher:
    """Open what only gives its outputs."""
    path = found.path
    black_box = open_black_box(
        found if found.kind is not Kind.FUNCTION else str(path),
        FileOptions(
            input_shape=external.shape,
            classes=answering.classes,
            input_range=input_range,
            threads=machine.threads,
            outputs=external.outputs,
            output_name=external.output_name,
        ),
        access=answering.access,
        timeout=timeout,
    )
    info = info_without_architecture(black_box.input_shape, black_box.classes)
    return Teacher(
        path,
        replace(info, class_names=_names_in(found, black_box.classes)),
        missing=f"name them with --dataset; '{path}' is a black box",
        notes=getattr(black_box, "head", LOGITS).notes(path),
        black_box=black_box,
        outputs="probabilities" if black_box.outputs == "labels" else black_box.outputs,
    )


def _names_in(found: Identified, classes: int) -> tuple[str, ...]:
    """Return the names of classes in a file of another program, where they fit."""
    names = read_names(found)
    return names if len(names) == classes and are_names(names) else ()


def _logits_of(black_box: "BlackBox", images: "Pixels") -> "FloatArray":
    from kextract.methods.committee import target_logits
    from kextract.models.cost import in_batches
    from kextract.teachers.checking import checked

    def ask(part: "Pixels") -> NDArray[Any]:
        try:
            return checked(black_box(part), black_box.outputs, len(part), black_box.classes)
        except Exception as error:  # Services fail in every way there is.
            raise TeacherError(f"'{black_box.name}': {type(error).__name__}: {error}") from error

    outputs = in_batches(ask, images, ASKED_AT_ONCE)
    return target_logits(outputs, black_box.outputs, black_box.classes).astype(np.float64)


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
    if data.input_shape != info.input_shape:
        raise DatasetError(
            f"data set '{data.name}' has images of {dimensions(data.input_shape)}, but"
            f" '{opened.path}' takes {dimensions(info.input_shape)}: choose another --dataset"
        )
    data, names = matched(data, f"'{opened.path}'", info.class_names, info.classes)
    info = replace(info, class_names=names)
    if opened.network is not None or opened.black_box is not None:
        info = replace(info, dataset=data.name, flip=data.flip)
    return replace(opened, info=info, data=data, missing="", notes=notes)


def check_options_are_used(
    external: ExternalModelOptions, *teachers: Teacher, answering: BlackBoxOptions | None = None
) -> None:
    """Refuse options for what every file says by itself."""
    black = any(each.black_box is not None for each in teachers)
    foreign = black or any(each.network is not None for each in teachers)
    ranged = foreign or any(each.input_range is not None for each in teachers)
    for name, value, used, says in (
        ("input_range", external.input_range, ranged, "that it takes -1,1"),
        ("outputs", external.outputs, foreign, "that it gives logits"),
        ("output_name", external.output_name, foreign, "that it gives logits"),
        ("input_shape", external.input_shape, foreign, "what it takes"),
        ("classes", answering and answering.classes, black, "what it knows"),
    ):
        if value is not None and not used:
            raise RequestError(
                f"{flag(name)} {value}: '{teachers[0].path}' says itself {says}; leave"
                f" {flag(name)} out"
            )


def _in_memory(
    model: "keras.Model", external: ExternalModelOptions, taken: Preprocessing | None
) -> Teacher:
    """Take a classifier that was built or loaded in Python; it is never changed."""
    from kextract.foreign.keras.classifier import in_memory

    found = in_memory(
        model,
        input_range=taken or PIXELS,
        outputs=external.outputs,
        output_name=external.output_name,
    )
    return _external(Path(model.name), found, found.input_range)


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
    found: Identified, external: ExternalModelOptions, data: Dataset, taken: Preprocessing | None
) -> Teacher:
    """Open weights that say nothing about themselves, by what the user says of them."""
    if external.model is None:
        raise RequestError(
            f"'{found.path}' does not say which architecture it is of: name it with --model,"
            " such as --model resnet11"
        )
    names, shape = external.class_names, data.input_shape
    classes = data.classes if names is None else len(read_class_names(names))
    info = replace(
        info_without_architecture(shape, classes),
        model=external.model,
        pooling=model_pooling(external.model, shape, external.pooling),
        dataset=data.name,
        flip=data.flip,
    )
    return Teacher(found.path, info, found.file, input_range=taken or PIXELS)


def _named_data(
    path: Path, dataset: str | None, machine: Machine, *, needed: bool
) -> Dataset | None:
    """Load the data set that was named; refuse that none was where it is needed."""
    if dataset is None and needed:
        raise _nameless(path)
    return load_dataset(dataset, machine.data_dir) if dataset is not None else None


def _nameless(path: Path) -> RequestError:
    return RequestError(f"'{path}' does not say which images it is for: name them with --dataset")
