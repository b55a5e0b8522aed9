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

    `precision` is that of the arithmetic, float32 or bfloat16; weights are float32 in both. Raises
    UnknownNameError for an unknown name and RequestError for a shape or pooling that does not fit.
    """
    check_input_shape(input_shape)
    spec = model_spec(name)
    chosen = {"pooling": model_pooling(name, input_shape, pooling)} if spec.has_pooling else {}
    with weights_drawn_by(seed), precision_policy(precision):
        return spec.build(input_shape, classes, weight_decay=weight_decay, **chosen)


def fastest_precision(requested: str, name: str | None) -> str:
    """Turn `auto` into the arithmetic that a network is fastest in.

    `name` is that of a registered architecture, None for any other.
    """
    if requested == "auto" and name is not None and not model_spec(name).fast_in_bfloat16:
        return "float32"
    return runtime.resolve_precision(requested)


@contextmanager
def weights_drawn_by(seed: int) -> Iterator[None]:
    """Let layers that are made in the block draw their weights by a seed.

    They take what `keras.utils.set_random_seed` would give them, which sets all random numbers of
    the process, and of whoever called us, too.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Give layers that are made in the block this arithmetic, unless they say otherwise."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def student_seed(seed: int) -> int:
    """Return the seed of a student's weights: never those that its teacher began with.

    A student that starts where its teacher started is half-way home, and would flatter any method.
    """
    return seed_number(Stream.STUDENT, seed)
