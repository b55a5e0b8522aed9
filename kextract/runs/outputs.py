"""The one place that names output files."""

from pathlib import Path

from kextract.config import DistillConfig

FOLDER = Path("checkpoints")


def output_path(requested: Path | None, name: str) -> Path:
    """Return the requested path, or the file of this name in the default folder."""
    return requested or FOLDER / name


def teacher_file(dataset: str, model: str, seed: int) -> str:
    """Name the checkpoint of a teacher."""
    return _checkpoint(dataset, model, _seed(seed))


def student_file(teacher: Path, student: str | None, config: DistillConfig) -> str:
    """Name the checkpoint of a student after its teacher's file and what differs."""
    recipe = None if config.recipe == "corrected" else config.recipe
    return _checkpoint(
        stem(teacher), student, config.method, config.mix, recipe, _seed(config.seed)
    )


def drawn_file(teacher: Path) -> str:
    """Name the picture of what was drawn out of a teacher."""
    return f"{stem(teacher)}-drawn.png"


def picture_file(output: Path, epoch: int) -> Path:
    """Name the picture of an epoch's images, beside the checkpoint that the run will write."""
    return output.with_name(f"{stem(output)}-epoch-{epoch:04}.png")


def stem(path: Path) -> str:
    """Return a checkpoint's file name without its ending."""
    return path.name.removesuffix(".h5").removesuffix(".weights").removesuffix(".keras")


def _checkpoint(*parts: str | None) -> str:
    return "-".join(part for part in parts if part) + ".weights.h5"


def _seed(seed: int) -> str | None:
    return f"s{seed}" if seed else None
