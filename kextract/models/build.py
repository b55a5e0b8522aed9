"""Builds a registered architecture with its weights drawn from a seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from kextract import runtime
from kextract.models.registry import check_input_shape, model_pooling, model_spec
from kextract.seeds import Stream, seed_number

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build_model(
    name: str,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    pooling: str | None = None,
    weight_decay: float = 1e-4,
    precision: str = "float32",
    seed: int = 0,
) -> keras.Model:
    """Build a model that maps float images (n, h, w, c) in [-1, 1] to float32 logits (n, classes).

    `precision` is float32 or bfloat16; weights are float32 in both. Raises UnknownNameError for an
    unknown name and RequestError for a shape or pooling that does not fit.
    """
    check_input_shape(input_shape)
    spec = model_spec(name)
    chosen = {"pooling": model_pooling(name, input_shape, pooling)} if spec.has_pooling else {}
    with weights_drawn_by(seed), precision_policy(precision):
        return spec.build(input_shape, classes, weight_decay=weight_decay, **chosen)


def fastest_precision(requested: str, name: str | None) -> str:
    """Replace `auto` by the precision in which a network is fastest.

    `name` is the name of a registered architecture, None for any other network.
    """
    if requested == "auto" and name is not None and not model_spec(name).fast_in_bfloat16:
        return "float32"
    return runtime.resolve_precision(requested)


@contextmanager
def weights_drawn_by(seed: int) -> Iterator[None]:
    """Seed the initial weights of layers that are made in the block.

    The weights are those after `keras.utils.set_random_seed`, which would also reseed everything
    else in the process, the caller's own random numbers included.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Make this precision the default of layers that are made in the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def student_seed(seed: int) -> int:
    """Return the seed of a student's weights, which never gives its teacher's initial weights.

    A student that starts where its teacher started would make any method look good.
    """
    return seed_number(Stream.STUDENT, seed)
