"""Architectures: images in [-1, 1] in, logits out; `models.build` makes them."""

from kextract.models.pooling import POOLINGS
from kextract.models.registry import (
    MODELS,
    ModelSpec,
    check_input_shape,
    model_pooling,
    model_spec,
)

__all__ = [
    "MODELS",
    "POOLINGS",
    "ModelSpec",
    "check_input_shape",
    "model_pooling",
    "model_spec",
]
