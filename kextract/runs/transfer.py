"""The images that are given to a method, before the work begins."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kextract.config import DistillConfig, Holdout
from kextract.datasets.transfer_images import load_transfer_images
from kextract.errors import RequestError
from kextract.runs.parts import cut
from kextract.runs.subject import Subject
from kextract.transfer import MethodSpec, method_specs

TransferImages = Mapping[str, NDArray[np.uint8]]
"""Images (n, h, w, c) by the name of the method that is taught with them."""


def checked_methods(config: DistillConfig, images: str | None) -> dict[str, MethodSpec]:
    """Look the methods of a run up, and refuse a recipe or `--images` that they do not go with."""
    specs = method_specs(config)
    for name, spec in specs.items():
        if config.recipe not in spec.recipes:
            raise RequestError(
                f"--recipe {config.recipe}: is for noise, not for --method {name}; leave"
                " --recipe out"
            )
        if spec.images == "given" and images is None:
            raise RequestError(
                f"{_asked(config, name)}: needs --images, the name of a data set, an .npz file or"
                " a folder of images"
            )
    if images is not None and all(spec.images != "given" for spec in specs.values()):
        raise RequestError(
            f"--images {images}: is for --method surrogate, not for '{config.method}'; leave"
            " --images out"
        )
    return specs


def transfer_images(
    config: DistillConfig,
    images: str | None,
    subject: Subject,
    holdout: Holdout,
    data_dir: Path | None,
) -> TransferImages:
    """Load the images that methods are taught with, as large and as colourful as the teacher's."""
    found = {}
    for name, spec in method_specs(config).items():
        if spec.images == "own":
            if subject.data is None:
                raise RequestError(
                    f"{_asked(config, name)}: needs the teacher's images: {subject.missing}"
                )
            found[name] = cut(subject.data, "train", holdout).x
        elif spec.images == "given" and images is not None:
            found[name] = load_transfer_images(images, data_dir, subject.info.input_shape)
    return found


def _asked(config: DistillConfig, method: str) -> str:
    return f"--mix {method}" if method == config.mix else f"--method {method}"
