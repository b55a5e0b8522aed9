"""Architectures: images in [-1, 1] in, logits out; `models.build` makes them."""

from kextract.models.architectures import POOLINGS, ModelSpec
from kextract.models.cost import Cost
from kextract.models.registry import (
    MODELS,
    TEACHER,
    check_input_shape,
    model_pooling,
    model_spec,
    share_of_teacher,
)

__all__ = [
    "MODELS",
    "POOLINGS",
    "TEACHER",
    "Cost",
    "ModelSpec",
    "check_input_shape",
    "model_pooling",
    "model_spec",
    "share_of_teacher",
]
