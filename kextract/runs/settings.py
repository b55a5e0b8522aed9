"""The options that made a checkpoint, so that it can be made again from its file alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kextract.config.distill import FORMER_NAMES
from kextract.config.files import write_table
from kextract.config.option import convert, table
from kextract.errors import CheckpointError, RequestError
from kextract.runs.requests import REQUESTS

if TYPE_CHECKING:
    from kextract.storage import CheckpointInfo

OPTIONS = "options"
"""Where a checkpoint's configuration holds all options of the command, by name."""
OUTPUTS = "teacher_outputs"
"""Where it says what the teacher's own program got of it: `logits` or `probabilities`."""


def settings_of_checkpoint(info: "CheckpointInfo") -> str:
    """Give the options that made a checkpoint as a configuration file.

    Raises CheckpointError for values that no option can have.
    """
    command = "train-teacher" if info.kind == "teacher" else "distill"
    found = info.config.get(OPTIONS)
    options = found if isinstance(found, Mapping) else _of_earlier_versions(info)
    options = {FORMER_NAMES.get(name, name): value for name, value in options.items()}
    values = {}
    for name, entry in table(REQUESTS[command]).items():
        if name not in options or options[name] is None:
            continue
        try:
            values[name] = convert(entry, options[name], f"option '{name}'")
        except RequestError as error:
            raise CheckpointError(f"what the checkpoint says of its making: {error}") from error
    return write_table(command, values)


def _of_earlier_versions(info: "CheckpointInfo") -> dict[str, Any]:
    """Collect what checkpoints said before they held all options."""
    inversion = info.config.get("inversion", {})
    holdout = info.config.get("holdout", {})
    own = (
        {"model": info.model, "limit": holdout.get("limit")}
        if info.kind == "teacher"
        else {"teacher": info.teacher, "student": info.model}
    )
    return {
        **info.config,
        **(inversion if isinstance(inversion, Mapping) else {}),
        **own,
        "pooling": info.pooling,
        "dataset": info.dataset,
    }
