"""What listens to a run besides its display: files of metrics, TensorBoard."""

from collections.abc import Mapping
from typing import Any

from kextract.config.shared import Output
from kextract.display import Display
from kextract.display.base import Tee
from kextract.display.metrics_file import MetricsFile
from kextract.display.tensorboard import TensorBoard
from kextract.templates import fill


def with_listeners(
    display: Display, place: Output, names: Mapping[str, Any], *, resume: bool
) -> Display:
    """Add the listeners that were asked for; `names` are filled into the braces of their paths.

    Raises RequestError where one of them cannot listen.
    """
    listeners: list[Display] = []
    about = {"overwrite": place.overwrite, "resume": resume}
    if place.metrics is not None:
        listeners.append(MetricsFile(fill(str(place.metrics), names, "--metrics"), **about))
    if place.tensorboard is not None:
        folder = fill(str(place.tensorboard), names, "--tensorboard")
        listeners.append(TensorBoard(folder, **about))
    return Tee(display, *listeners) if listeners else display
