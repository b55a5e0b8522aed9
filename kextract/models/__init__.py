"""Architectures: images in [-1, 1] in, logits out; `models.build` makes them."""

from kextract.models.architectures import (
    MODELS,
    POOLINGS,
    TEACHER,
    ModelSpec,
    check_input_shape,
    model_pooling,
    model_spec,
    share_of_teacher,
)
from kextract.models.cost import Cost
