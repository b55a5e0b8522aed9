"""The one place that names output files."""

from pathlib import Path

FOLDER = Path("checkpoints")


def output_path(wished: Path | None, name: str) -> Path:
    """Return the wished path, or the file of this name in the default folder."""
    return wished or FOLDER / name


def teacher_file(dataset: str, model: str) -> str:
    """Name the checkpoint of a teacher."""
    return f"{dataset}-{model}.weights.h5"


def student_file(
    teacher: Path, student: str | None, method: str, recipe: str, mix: str | None = None
) -> str:
    """Name the checkpoint of a student after its teacher's file and what differs."""
    parts = [stem(teacher), student, method, mix, None if recipe == "corrected" else recipe]
    return "-".join(part for part in parts if part) + ".weights.h5"


def drawn_file(teacher: Path) -> str:
    """Name the picture of what was drawn out of a teacher."""
    return f"{stem(teacher)}-drawn.png"


def picture_file(output: Path, epoch: int) -> Path:
    """Name the picture of an epoch's images, beside the checkpoint that the run will write."""
    return output.with_name(f"{stem(output)}-epoch-{epoch:04}.png")


def stem(path: Path) -> str:
    """Return a checkpoint's file name without its ending."""
    return path.name.removesuffix(".h5").removesuffix(".weights").removesuffix(".keras")
