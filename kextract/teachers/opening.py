"""From what a user types as TEACHER to a black-box teacher."""

from pathlib import Path

from kextract.config.shared import ACCESS
from kextract.errors import RequestError, UnknownNameError
from kextract.models.axes import Shape
from kextract.models.input_range import Preprocessing
from kextract.teachers.black_box import FUNCTION, TIMEOUT, BlackBox


def open_black_box(
    where: str,
    *,
    input_shape: Shape | None = None,
    classes: int | None = None,
    input_range: Preprocessing | None = None,
    access: str | None = None,
    threads: int | None = None,
    timeout: float = TIMEOUT,
    outputs: str | None = None,
    output_name: str | None = None,
) -> BlackBox:
    """Open `python:module:function`, an .onnx or .tflite file, or a SavedModel folder.

    What the file says itself need not be given, and must agree where it is. `access` is one of
    `kextract.config.shared.ACCESS`: by default all that a file gives, and of a function its
    probabilities; `full` are a function's logits. `timeout` is a function's, seconds per call.
    `outputs`, one of `kextract.models.heads.OUTPUTS`, says what a file gives, or that a function
    gives `sigmoids`; `output_name` which of several outputs is meant.
    Raises RequestError for what cannot be opened, naming the flag that is missing.
    """
    if access is not None and access not in ACCESS:
        raise UnknownNameError("access (--access)", access, ACCESS)
    if where.startswith(FUNCTION):
        if input_shape is None or classes is None:
            raise RequestError(
                f"'{where}' says nothing of itself: pass --input-shape and --classes, such as"
                " --input-shape 28,28,1 --classes 10"
            )
        if outputs == "sigmoids" and access in (None, "probabilities"):
            access, outputs = outputs, None
        for name, value in (("--outputs", outputs), ("--output-name", output_name)):
            if value is not None:
                raise RequestError(
                    f"{name} {value}: is for files; --access says what the function '{where}' gives"
                )
        from kextract.teachers.python_function import PythonFunction, import_function

        return PythonFunction(
            import_function(where),
            where,
            outputs="logits" if access == "full" else access or "probabilities",
            input_shape=input_shape,
            classes=classes,
            input_range=input_range,
            timeout=timeout,
        )
    from kextract.teachers.black_box import restricted
    from kextract.teachers.trial import open_model_file

    teacher = open_model_file(
        Path(where),
        input_shape=input_shape,
        classes=classes,
        input_range=input_range,
        threads=threads,
        outputs=outputs,
        output_name=output_name,
    )
    return restricted(teacher, access or "full")
