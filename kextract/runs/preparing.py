"""All that can be refused of a distillation before its work begins; TensorFlow is not needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract import runtime
from kextract.config.requests import DistillRequest
from kextract.config.resolve import Invocation
from kextract.errors import RequestError
from kextract.models import model_pooling, share_of_teacher
from kextract.replicas import cluster_of
from kextract.runs.invoke import for_black_box
from kextract.runs.opening import RESTRICTED, Teacher, check_options_are_used, open_teacher
from kextract.runs.outputs import output_path, student_file
from kextract.runs.own_network import own_network
from kextract.runs.parts import check_shift, cut, holdout_of
from kextract.runs.student import StudentPlan
from kextract.runs.transfer_images import transfer_images
from kextract.storage import CheckpointInfo
from kextract.storage.info import OWN_ARCHITECTURE
from kextract.storage.opening import names_model

if TYPE_CHECKING:
    import keras


def prepare_student(
    invocation: Invocation[DistillRequest],
    teacher: Teacher | None = None,
    student: "keras.Model | None" = None,
) -> StudentPlan:
    """Refuse whatever can be refused before the work begins. Raises RequestError.

    `teacher` and `student` are those that Python has in memory already, in place of files and
    names. Where no data set can be had, the student is taught all the same and only what needs no
    data is measured.
    """
    request, config = invocation.request, invocation.request.config
    runtime.limit_threads(request.machine.threads)
    runtime.join(cluster_of(request.strategy))
    if teacher is None:
        teacher = _open_teacher(request)
        invocation = for_black_box(invocation) if teacher.black_box is not None else invocation
        request, config = invocation.request, invocation.request.config
    info, data = teacher.info, teacher.data
    _check_architecture(teacher, request, student)
    check_shift(config.shift, info.input_shape)
    given = student
    if student is None and request.student and names_model(request.student):
        given = Path(request.student)
    own = None
    if given is not None:
        own = own_network(given, "--student", info.input_shape, info.classes, config.precision)
    share = share_of_teacher(request.student) if request.student and own is None else None
    if share is not None:
        _check_kernels_are_at_hand(teacher, request)
    if own is not None or share is not None:
        architecture, pooling = OWN_ARCHITECTURE, "none"
    else:
        architecture = request.student or info.model
        pooling = _pooling(info, architecture, request.external.pooling)
    holdout = holdout_of(info.config)
    validation = (
        cut(data, "validation", holdout) if data is not None and data.x_train is not None else None
    )
    images, notes = transfer_images(
        config, request.images, teacher, holdout, request.machine.data_dir
    )
    names = _names(invocation, teacher, architecture)
    default = student_file(teacher.path, request.student, config)
    return StudentPlan(
        invocation,
        output_path(request.output.output, default, names),
        teacher,
        architecture,
        pooling,
        holdout,
        validation,
        images,
        names,
        own,
        share,
        (*(data.notes if data else ()), *notes),
    )


def _open_teacher(request: DistillRequest) -> Teacher:
    teacher = open_teacher(
        request.teacher,
        request.external,
        request.machine,
        answering=request.answering,
        dataset=request.dataset,
        precision=request.config.precision,
        timeout=request.config.queries.query_timeout,
    )
    check_options_are_used(request.external, teacher, answering=request.answering)
    return teacher


def _check_architecture(
    teacher: Teacher, request: DistillRequest, student: "keras.Model | None"
) -> None:
    """Refuse what cannot be done with a teacher whose architecture is not in our registry."""
    if teacher.info.model != OWN_ARCHITECTURE:
        return
    if request.student is None and student is None:
        raise RequestError(
            f"'{teacher.path}' holds an architecture of its own: name the student's with --student,"
            " such as --student lenet5, or --student teacher@0.5 for its own at half the parameters"
        )
    if request.config.recipe == "article":
        raise RequestError(
            f"--recipe article: it normalizes by batch statistics, as is done with kextract's own"
            f" networks only; leave --recipe out for '{teacher.path}'"
        )


def _check_kernels_are_at_hand(teacher: Teacher, request: DistillRequest) -> None:
    """Refuse to take a black box apart."""
    if teacher.black_box is not None or request.answering.access in RESTRICTED:
        raise RequestError(
            f"--student {request.student}: the teacher is a black box, whose kernels cannot be"
            " had; name an architecture, such as --student lenet5"
        )


def _names(
    invocation: Invocation[DistillRequest], teacher: Teacher, architecture: str
) -> dict[str, Any]:
    """Give what may stand in braces in a file's name: the options, as far as they are known."""
    student = invocation.request.student
    return {
        **invocation.values,
        "teacher": teacher.path,
        "student": Path(student) if student is not None else architecture,
        "dataset": teacher.data.name if teacher.data else teacher.info.dataset,
    }


def _pooling(info: CheckpointInfo, architecture: str, requested: str | None) -> str:
    """Say how a student pools: as requested, or as a teacher of the same architecture does."""
    if architecture == info.model and requested is None:
        return info.pooling
    return model_pooling(architecture, info.input_shape, requested)
