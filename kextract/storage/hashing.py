"""The hash that says whether two models are the same, tensor for tensor."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]
"""Arrays by their place in a weights file, such as `layers/conv2d/vars/0`."""


def sha256_of_tensors(named: Tensors) -> str:
    """Hash names, dtypes, shapes and values; return 64 lower-case hexadecimal digits.

    The order of the mapping, the byte order and the memory layout of the arrays do not matter.
    For each tensor, sorted by name, these bytes are hashed: the name in UTF-8, a zero byte, the
    dtype's name, a zero byte, the sizes of the axes in decimals joined by commas, a zero byte, and
    the values in little-endian C order. `docs/checkpoint-format.md` repeats this definition.
    """
    digest = hashlib.sha256()
    for name in sorted(named):
        tensor = named[name]
        shape = ",".join(str(size) for size in tensor.shape)
        digest.update(f"{name}\0{tensor.dtype.name}\0{shape}\0".encode())
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.hexdigest()
