"""What a `.tflite` file says of a tensor, and the real values that its integers stand for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

INT4 = 17
KINDS = {
    **{0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"},
    **{12: "<u8", 15: "<u4", 16: "<u2", INT4: "i1"},
}
"""How numbers are stored, by TensorType; two of INT4 are in a byte."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the file says of a tensor."""

    name: str
    shape: tuple[int, ...]
    kind: int
    scale: Array
    """Float64; none for numbers that stand for themselves, one for each place of `axis`, or one."""
    zero: Array
    axis: int
    data: Array | None
    """Constants, as they are stored."""

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers, with or without a scale."""
        return KINDS.get(self.kind, "")[-2:-1] in ("u", "i")

    def real(self) -> Array:
        """Give the numbers that a constant stands for: float32, or integers without a scale."""
        assert self.data is not None, "the caller knows that it is a constant"
        if not self.scale.size:
            return self.data.astype(np.float32) if self.data.dtype.kind == "f" else self.data
        return self.scaled(self.scale, self.zero, self.axis)

    def scaled(self, scale: Array, zero: Array, axis: int) -> Array:
        """Give the numbers that constants stand for if they have these scales."""
        assert self.data is not None, "the caller knows that it is a constant"
        sizes = [-1 if place == axis else 1 for place in range(len(self.shape))]
        scale, zero = (each.reshape(sizes) if each.size > 1 else each for each in (scale, zero))
        with np.errstate(over="ignore", invalid="ignore"):
            return ((self.data.astype(np.float64) - zero) * scale).astype(np.float32)

    def real_ends(self) -> tuple[float, float] | None:
        """Give the real values of the least and the largest number of one byte; else None."""
        if not self.scale.size or not self.is_integer or KINDS[self.kind][-1] != "1":
            return None
        limits = np.iinfo(KINDS[self.kind])
        low, high = (
            float((limit - self.zero[0]) * self.scale[0]) for limit in (limits.min, limits.max)
        )
        return low, high


def unpacked(packed: Array, count: int) -> Array:
    """Take numbers of four bits, the lower half of a byte first, apart."""
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count].astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)
