"""How a Resize makes rows of rows: a matrix for each axis, whatever the mode."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.foreign.onnx.registry import Operation, not_read

Matrix = NDArray[np.float32]
MAX_SIDE = 4096


def output_sizes(
    call: Operation,
    shape: Sequence[int],
    scales: NDArray[np.float32] | None,
    sizes: Sequence[int] | None,
) -> tuple[list[int], list[float]]:
    """Give sizes and scales of all axes of a Resize. Raises Refused where they do not fit."""
    axes = call.sizes("axes") or tuple(range(len(shape)))
    given = sizes if sizes is not None else scales
    if given is None or len(given) != len(axes):
        raise Refused("does not say how large its output is")
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch" or call.whole("antialias", 0):
        raise not_read("keeps the aspect ratio, or smooths")
    made, factors = list(shape), [1.0] * len(shape)
    for axis, wanted in zip(axes, given, strict=True):
        if not -len(shape) <= axis < len(shape) or not 0 < wanted <= MAX_SIDE:
            raise Refused(f"resizes axis {axis} by {wanted}")
        factors[axis] = float(wanted) if sizes is None else wanted / shape[axis]
        made[axis] = int(wanted) if sizes is not None else int(np.floor(shape[axis] * wanted))
        if not 0 < made[axis] <= MAX_SIDE:
            raise Refused(f"resizes axis {axis} to {made[axis]}")
    return made, factors


def matrix(call: Operation, size: int, made: int, factor: float) -> Matrix:
    """Give the matrix (size, made) that an axis is multiplied by."""
    upsample = call.node.op == "Upsample" or call.opset < 11
    mode = call.text("mode", "nearest")
    default = "asymmetric" if upsample else "half_pixel"
    places = _places(
        call.text("coordinate_transformation_mode", default), size, made, np.float64(factor)
    )
    found = np.zeros((size, made), np.float64)
    columns = np.arange(made)
    if mode == "nearest":
        rule = call.text("nearest_mode", "floor" if upsample else "round_prefer_floor")
        found[_nearest(rule, places).clip(0, size - 1), columns] = 1
    elif mode in ("linear", "bilinear"):
        places = places.clip(0, size - 1)
        low = np.floor(places).astype(int)
        part = places - low
        np.add.at(found, (low, columns), 1 - part)
        np.add.at(found, ((low + 1).clip(0, size - 1), columns), part)
    elif mode == "cubic":
        low = np.floor(places).astype(int)
        weights = _cubic(places - low, call.number("cubic_coeff_a", -0.75))
        outside = call.whole("exclude_outside", 0)
        for tap, weight in zip(range(-1, 3), weights, strict=True):
            there = (low + tap >= 0) & (low + tap < size) if outside else True
            np.add.at(found, ((low + tap).clip(0, size - 1), columns), weight * there)
        found /= found.sum(axis=0) if outside else 1
    else:
        raise not_read(f"resizes in mode '{mode[:20]}'")
    return found.astype(np.float32)


def _places(rule: str, size: int, made: int, factor: np.float64) -> NDArray[np.float64]:
    """Say where in the old axis each number of the new one is; the formulas are the standard's."""
    new = np.arange(made, dtype=np.float64)
    if rule == "half_pixel" or (rule == "pytorch_half_pixel" and made > 1):
        return (new + 0.5) / factor - 0.5
    if rule == "pytorch_half_pixel":
        return np.zeros(made)
    if rule == "asymmetric":
        return new / factor
    if rule == "align_corners":
        return new * (size - 1) / (made - 1) if made > 1 else np.zeros(made)
    if rule == "tf_half_pixel_for_nn":
        return (new + 0.5) / factor
    if rule == "half_pixel_symmetric":
        center = size / 2 * (1 - made / (factor * size))
        return center + (new + 0.5) / factor - 0.5
    raise not_read(f"resizes by the coordinates '{rule[:30]}'")


def _nearest(rule: str, places: NDArray[np.float64]) -> NDArray[np.int64]:
    functions: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    if rule not in functions:
        raise not_read(f"rounds by '{rule[:20]}'")
    return np.asarray(functions[rule](places)).astype(np.int64)


def _cubic(part: NDArray[np.float64], a: float) -> list[NDArray[np.float64]]:
    """Weights of the four neighbours; Keys 1981, equation 15, there with a = -1/2."""

    def near(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(part + 1), near(part), near(1 - part), far(2 - part)]
