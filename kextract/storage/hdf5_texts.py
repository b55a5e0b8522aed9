"""Texts in the attributes of an untrusted HDF5 file, of fixed or of variable length."""

import math
from typing import Any

import numpy as np
from h5py import h5a, h5s, h5t

from kextract.storage.refusal import Refused

MAX_TEXT_BYTES = 1 << 20
"""Longest text of fixed length, or list of such texts, that is read."""


def read_texts(item: Any, name: str, shape: tuple[int, ...] | None, limit: int) -> list[str]:
    """Read an attribute that is one UTF-8 text, or of any length where `shape` is None.

    Each text may have `limit` bytes; those of variable length are in heaps whose sizes `check_raw`
    has seen. Raises Refused.
    """
    what = f"attribute '{name}'"
    if not h5a.exists(item, name.encode()):
        raise Refused(f"{what} is missing")
    attribute = h5a.open(item, name.encode())
    kind, space = attribute.get_type(), attribute.get_space()
    simple = space.get_simple_extent_type() in (h5s.SIMPLE, h5s.SCALAR)
    found = tuple(space.get_simple_extent_dims()) if simple else None
    if found is None or len(found) > 1 or shape not in (None, found):
        raise Refused(f"{what} has shape {found}, expected {shape or 'a list'}")
    if found == (0,):
        # NumPy has no texts in an empty list, so Keras writes one of numbers.
        return []
    if kind.committed() or kind.get_class() != h5t.STRING:
        raise Refused(f"{what} is not text")
    if math.prod(found) * kind.get_size() > max(limit, MAX_TEXT_BYTES):
        raise Refused(f"{what} is longer than {limit} bytes")
    value = np.empty(found, attribute.dtype)
    # In the type of `value`: in the file's own, HDF5 would write pointers where NumPy has objects.
    attribute.read(value)
    return [_text(text, limit, what) for text in value.ravel()]


def _text(value: str | bytes, limit: int, what: str) -> str:
    """Decode one text as HDF5 gives it, padded with zeros if its length is fixed."""
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    if len(data) > limit:
        raise Refused(f"{what} is longer than {limit} bytes")
    try:
        return data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{what} is not UTF-8") from None
