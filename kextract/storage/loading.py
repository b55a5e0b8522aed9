"""From a file to a classifier."""

from pathlib import Path
from typing import TYPE_CHECKING

from kextract.errors import RequestError
from kextract.models import model_pooling, model_spec
from kextract.storage.archive import build_described
from kextract.storage.checkpoint import load_weights
from kextract.storage.info import OWN_ARCHITECTURE, CheckpointInfo

if TYPE_CHECKING:
    import keras


def load_model(path: Path, info: CheckpointInfo, *, precision: str) -> "keras.Model":
    """Build the model that `info` describes and fill it from the file.

    At this precision, where it is one of the registry.
    """
    if info.model == OWN_ARCHITECTURE:
        model = build_described(path, info.architecture)
        load_weights(path, model)
        return model
    from kextract.models.build import build_model

    weight_decay = info.config.get("weight_decay", 1e-4)
    model = build_model(
        info.model,
        info.input_shape,
        info.classes,
        pooling=info.pooling if model_spec(info.model).has_pooling else None,
        weight_decay=float(weight_decay),
        precision=precision,
    )
    load_weights(path, model)
    return model


def foreign_info(
    path: Path,
    model: str | None,
    pooling: str | None,
    *,
    dataset: str,
    input_shape: tuple[int, int, int],
    classes: int,
    class_names: tuple[str, ...],
    flip: bool,
) -> CheckpointInfo:
    """Describe a weights file that says nothing about itself by what the user says of it."""
    if model is None:
        raise RequestError(
            f"'{path}' does not say which architecture it is of: name it with --model,"
            " such as --model resnet11"
        )
    return CheckpointInfo(
        kind="teacher",
        model=model,
        pooling=model_pooling(model, input_shape, pooling),
        input_shape=input_shape,
        classes=classes,
        dataset=dataset,
        class_names=class_names,
        flip=flip,
        seed=0,
        precision="float32",
        config={},
    )
