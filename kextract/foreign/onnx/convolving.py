"""Operators that look at windows of an image: convolutions and poolings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kextract.errors import Refused
from kextract.foreign.onnx.arithmetic import affine
from kextract.foreign.onnx.registry import Operation, Registry, not_read
from kextract.foreign.onnx.tensors import (
    Call,
    Tensor,
    checked,
    from_images,
    images,
    in_keras_order,
    tensor,
)

WINDOWS = Registry()
Pads = tuple[tuple[int, int], tuple[int, int]]
_NO_PADS: Pads = ((0, 0), (0, 0))
MAX_WINDOW = 1 << 14


@dataclass(frozen=True)
class Window:
    """Where a kernel of two axes is laid onto an image."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads
    """Before and after, rows first."""

    @property
    def spans(self) -> tuple[int, ...]:
        """How far a kernel reaches, its gaps included."""
        return tuple(
            (size - 1) * gap + 1 for size, gap in zip(self.kernel, self.dilations, strict=True)
        )

    def is_same(self, sizes: Sequence[int]) -> bool:
        """Tell whether Keras pads an image of these sizes alike where it is told `same`."""
        return self.pads == _same_pads(sizes, self.spans, self.strides)


def window_of(call: Operation, sizes: Sequence[int], kernel: Sequence[int]) -> Window:
    """Read strides, dilations and pads of a node. Raises Refused where they do not fit."""
    strides = call.sizes("strides", (1, 1)) or ()
    dilations = call.sizes("dilations", (1, 1)) or ()
    given = call.sizes("pads", (0, 0, 0, 0)) or ()
    if not len(kernel) == len(strides) == len(dilations) == len(given) // 2 == 2:
        raise not_read(f"has a kernel of {len(kernel)} axes")
    if not all(1 <= size <= MAX_WINDOW for size in (*kernel, *strides, *dilations)):
        raise Refused("has a kernel, strides or dilations of an impossible size")
    if not all(0 <= size <= MAX_WINDOW for size in given):
        raise not_read("has pads below zero or of an impossible size")
    top, left, bottom, right = given
    window = Window(tuple(kernel), strides, dilations, ((top, bottom), (left, right)))
    automatic = call.text("auto_pad", "NOTSET")
    if automatic == "VALID":
        return replace(window, pads=_NO_PADS)
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(sizes, window.spans, strides)
        if automatic == "SAME_LOWER":
            pads = (pads[0][::-1], pads[1][::-1])
        return replace(window, pads=pads)
    if automatic not in ("NOTSET", ""):
        raise Refused(f"has the unknown auto_pad '{automatic[:20]}'")
    return window


def _same_pads(sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int]) -> Pads:
    pads = []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        pads.append((total // 2, total - total // 2))
    rows, columns = pads
    return rows, columns


def _zero_padded(data: Any, pads: Pads) -> Any:
    return checked(keras.layers.ZeroPadding2D(pads, dtype="float32")(data))


@WINDOWS("Conv")
def _conv(call: Call) -> Tensor:
    kernel, bias, groups = call.constant(1), call.row(2), call.whole("group", 1)
    if kernel.ndim != 4:
        raise not_read(f"convolves over {kernel.ndim - 2} axes")
    data = images(call.tensor())
    channels = data.shape[-1]
    made, taken, *sizes = kernel.shape
    if min(groups, made, taken) < 1 or taken * groups != channels or made % groups:
        raise Refused(f"has a kernel {kernel.shape} in {groups} groups for {channels} channels")
    window = window_of(call, data.shape[1:3], sizes)
    depthwise = groups == channels > 1
    # Keras has no strides together with dilations, and TensorFlow no two of a depthwise convolution
    # on every processor: the places in between are left out afterwards.
    apart = max(window.strides) > 1 and max(window.dilations) > 1
    apart = apart or (depthwise and len(set(window.strides)) > 1)
    padding = "same" if window.pads != _NO_PADS and window.is_same(data.shape[1:3]) else "valid"
    if apart or (padding == "valid" and window.pads != _NO_PADS):
        padding, data = "valid", _zero_padded(data, window.pads)
    options = {
        "strides": (1, 1) if apart else window.strides,
        "dilation_rate": window.dilations,
        "padding": padding,
        "use_bias": bias is not None,
        "dtype": "float32",
    }
    if depthwise:
        layer = keras.layers.DepthwiseConv2D(
            sizes, depth_multiplier=made // channels, depthwise_initializer="zeros", **options
        )
        kernel = kernel.reshape(channels, made // channels, *sizes).transpose(2, 3, 0, 1)
    else:
        layer = keras.layers.Conv2D(
            made, sizes, groups=groups, kernel_initializer="zeros", **options
        )
        kernel = kernel.transpose(2, 3, 1, 0)
    data = call.weighted(layer, data, kernel, bias)
    if apart:
        down, across = window.strides
        data = data[:, ::down, ::across]
    return from_images(data)


@WINDOWS("ConvTranspose")
def _conv_transpose(call: Call) -> Tensor:
    kernel, bias = call.constant(1), call.row(2)
    if kernel.ndim != 4 or call.whole("group", 1) != 1:
        raise not_read("convolves backwards in groups or over other than 2 axes")
    data = images(call.tensor())
    _, made, *sizes = kernel.shape
    window = window_of(call, data.shape[1:3], sizes)
    extra = call.sizes("output_padding", (0, 0)) or ()
    same = call.text("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    if same or len(extra) != 2 or "output_shape" in call.node.attributes:
        raise not_read("gives its output's shape instead of pads")
    if max(window.strides) > 1 and max(window.dilations) > 1:
        raise not_read("has strides and dilations")
    layer = keras.layers.Conv2DTranspose(
        made,
        sizes,
        strides=window.strides,
        dilation_rate=window.dilations,
        use_bias=bias is not None,
        kernel_initializer="zeros",
        dtype="float32",
    )
    whole = call.weighted(layer, data, kernel.transpose(2, 3, 1, 0), bias)
    # Keras adds rows where a stride is larger than the kernel; the rest is cut off.
    cuts = []
    for axis in range(2):
        full = (data.shape[axis + 1] - 1) * window.strides[axis] + window.spans[axis]
        before, after = window.pads[axis]
        after += whole.shape[axis + 1] - full - extra[axis]
        if after < 0:
            raise not_read("has an output_padding that is larger than its pads")
        cuts.append((before, after))
    if cuts != [(0, 0), (0, 0)]:
        whole = keras.layers.Cropping2D(tuple(cuts), dtype="float32")(whole)
    return from_images(whole)


def _pool_window(call: Call, data: Any) -> Window:
    """Read the window of a pooling; rows and columns that ceil_mode adds are in its pads."""
    kernel = call.sizes("kernel_shape") or ()
    window = window_of(call, data.shape[1:3], kernel)
    if max(window.dilations) > 1:
        raise not_read("pools with dilations")
    pads = []
    for size, span, stride, (before, after) in zip(
        data.shape[1:3], window.kernel, window.strides, window.pads, strict=True
    ):
        if max(before, after) >= span:
            raise Refused("pools over nothing but padding")
        if call.whole("ceil_mode", 0):
            count = -(-(size + before + after - span) // stride) + 1
            # A window has to begin on the image, or before it.
            count -= (count - 1) * stride >= size + before
            after = max(after, (count - 1) * stride + span - size - before)
        pads.append((before, after))
    return replace(window, pads=(pads[0], pads[1]))


@WINDOWS("MaxPool")
def _max_pool(call: Call) -> Tensor:
    if call.used_outputs > 1:
        raise not_read("gives indices")
    x = call.tensor()
    data = images(x)
    window = _pool_window(call, data)
    padding = "same" if window.pads != _NO_PADS and window.is_same(data.shape[1:3]) else "valid"
    if padding == "valid" and window.pads != _NO_PADS:
        # The edge, again, is never above the largest number of a window, which reaches over it.
        data = _zero_padded(data, window.pads) if x.nonnegative else edge_padded(data, window.pads)
    pool = keras.layers.MaxPooling2D(window.kernel, window.strides, padding, dtype="float32")
    return from_images(checked(pool(data)), nonnegative=x.nonnegative)


def edge_padded(data: Any, pads: Pads) -> Any:
    """Repeat the edges of images (n, h, w, c)."""
    for axis, (before, after) in enumerate(pads, 1):
        start, whole = (slice(None),) * axis, data
        size = data.shape[axis]
        parts = [*[whole[(*start, slice(0, 1))]] * min(before, 1)] * before
        ends = [*[whole[(*start, slice(size - 1, size))]] * min(after, 1)] * after
        if parts or ends:
            data = checked(
                keras.layers.Concatenate(axis=axis, dtype="float32")([*parts, whole, *ends])
            )
    return data


@WINDOWS("AveragePool")
def _average_pool(call: Call) -> Tensor:
    x = call.tensor()
    data = images(x)
    sizes = data.shape[1:3]
    window = _pool_window(call, data)
    if window.pads == _NO_PADS and window.kernel == tuple(sizes):
        return _pooled(keras.layers.GlobalAveragePooling2D(dtype="float32"), x)
    include = bool(call.whole("count_include_pad", 0))
    padded = window.pads != _NO_PADS
    # With `same`, Keras counts no padding.
    same = padded and not include and window.is_same(sizes)
    if padded and not same:
        data = _zero_padded(data, window.pads)
    pool = keras.layers.AveragePooling2D(
        window.kernel, window.strides, "same" if same else "valid", dtype="float32"
    )
    pooled = from_images(checked(pool(data)), nonnegative=x.nonnegative)
    if not padded or same:
        return pooled
    counted = window_of(call, sizes, window.kernel).pads if include else _NO_PADS
    share = [
        _share_counted(axis, sizes[axis], window, counted[axis], pooled.shape[axis + 2])
        for axis in range(2)
    ]
    scale = np.outer(*share).astype(np.float32)
    if np.all(scale == 1):
        return pooled
    return affine(call, pooled, scale=in_keras_order(pooled, scale))


def _share_counted(
    axis: int, size: int, window: Window, counted: tuple[int, int], places: int
) -> Any:
    """Give by how much the mean over a window is too small for what counts of it."""
    kernel, stride = window.kernel[axis], window.strides[axis]
    first = np.arange(places) * stride - window.pads[axis][0]
    low, high = -counted[0], size + counted[1]
    return kernel / (np.clip(first + kernel, low, high) - np.clip(first, low, high))


def _pooled(layer: keras.Layer, x: Tensor) -> Tensor:
    return tensor(layer(images(x)), [(), (1,), (), ()], nonnegative=x.nonnegative)


@WINDOWS("GlobalAveragePool")
def _global_average_pool(call: Call) -> Tensor:
    return _pooled(keras.layers.GlobalAveragePooling2D(dtype="float32"), call.tensor())


@WINDOWS("GlobalMaxPool")
def _global_max_pool(call: Call) -> Tensor:
    return _pooled(keras.layers.GlobalMaxPooling2D(dtype="float32"), call.tensor())


@WINDOWS("LRN")
def _local_response(call: Call) -> Tensor:
    """Krizhevsky et al. 2012, section 3.3: the sum over neighbours is a convolution."""
    x, size = call.tensor(), call.whole("size", 1)
    data = images(x)
    channels = data.shape[-1]
    if not 1 <= size <= MAX_WINDOW or channels > MAX_WINDOW:
        raise Refused("normalizes by an impossible number of channels")
    before = (size - 1) // 2
    far = np.subtract.outer(np.arange(channels), np.arange(channels))
    near = (far >= -before) & (far <= size - 1 - before)
    kernel = near * np.float32(call.number("alpha", 1e-4) / size)
    layer = keras.layers.Conv2D(channels, 1, kernel_initializer="zeros", dtype="float32")
    bias = np.full(channels, call.number("bias", 1.0), np.float32)
    total = call.weighted(layer, keras.ops.square(data), kernel[None, None], bias)
    power = keras.ops.power(total, -call.number("beta", 0.75))
    return from_images(keras.layers.Multiply(dtype="float32")([data, power]))
