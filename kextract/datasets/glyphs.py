"""The shapes of the pen-drawn digits: control points and the strokes that join them.

A glyph lives in a box one unit high, x to the right and y downwards. A stroke is a smooth curve
through its control points (a uniform Catmull-Rom spline); a corner is a point where one stroke ends
and the next begins, so that both move with it. A stroke that ends where it began is a ring.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLES = 96
"""Points that a glyph is sampled at: a spacing of about half a pixel for the longest one."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Glyph:
    """One way to write a digit."""

    digit: int
    points: tuple[tuple[float, float], ...]
    strokes: tuple[tuple[int, ...], ...]
    """Indices into `points`, in the order the pen visits them."""


def _ring(cx: float, cy: float, rx: float, ry: float) -> tuple[tuple[float, float], ...]:
    turns = np.arange(6) * (np.pi / 3)
    return tuple((float(cx + rx * np.sin(turn)), float(cy - ry * np.cos(turn))) for turn in turns)


GLYPHS: tuple[Glyph, ...] = (
    Glyph(0, _ring(0.5, 0.5, 0.3, 0.45), ((0, 1, 2, 3, 4, 5, 0),)),
    Glyph(
        0,
        ((0.62, 0.08), (0.36, 0.12), (0.22, 0.5), (0.4, 0.92), (0.68, 0.86), (0.78, 0.45),
         (0.6, 0.1), (0.42, 0.04)),
        ((0, 1, 2, 3, 4, 5, 6, 7),),
    ),
    Glyph(1, ((0.52, 0.05), (0.5, 0.5), (0.5, 0.95)), ((0, 1, 2),)),
    Glyph(1, ((0.3, 0.27), (0.54, 0.05), (0.54, 0.5), (0.52, 0.95)), ((0, 1), (1, 2, 3))),
    Glyph(
        1,
        ((0.32, 0.24), (0.52, 0.05), (0.52, 0.94), (0.26, 0.94), (0.78, 0.94)),
        ((0, 1), (1, 2), (3, 2, 4)),
    ),
    Glyph(
        2,
        ((0.2, 0.28), (0.36, 0.08), (0.64, 0.08), (0.77, 0.28), (0.6, 0.55), (0.2, 0.93),
         (0.5, 0.92), (0.82, 0.93)),
        ((0, 1, 2, 3, 4, 5), (5, 6, 7)),
    ),
    Glyph(
        2,
        ((0.22, 0.22), (0.48, 0.05), (0.74, 0.24), (0.6, 0.56), (0.3, 0.88), (0.17, 0.82),
         (0.32, 0.74), (0.56, 0.9), (0.84, 0.86)),
        ((0, 1, 2, 3, 4, 5, 6, 7, 8),),
    ),
    Glyph(
        3,
        ((0.22, 0.15), (0.5, 0.05), (0.75, 0.24), (0.44, 0.46), (0.79, 0.69), (0.54, 0.95),
         (0.2, 0.83)),
        ((0, 1, 2, 3), (3, 4, 5, 6)),
    ),
    Glyph(
        3,
        ((0.22, 0.07), (0.76, 0.07), (0.45, 0.42), (0.78, 0.58), (0.7, 0.87), (0.45, 0.95),
         (0.2, 0.85)),
        ((0, 1), (1, 2), (2, 3, 4, 5, 6)),
    ),
    Glyph(
        4,
        ((0.3, 0.06), (0.2, 0.57), (0.84, 0.57), (0.7, 0.14), (0.66, 0.55), (0.63, 0.95)),
        ((0, 1), (1, 2), (3, 4, 5)),
    ),
    Glyph(
        4,
        ((0.63, 0.05), (0.15, 0.66), (0.87, 0.66), (0.63, 0.5), (0.63, 0.95)),
        ((0, 1), (1, 2), (0, 3, 4)),
    ),
    Glyph(
        5,
        ((0.77, 0.06), (0.32, 0.06), (0.26, 0.46), (0.54, 0.38), (0.79, 0.62), (0.6, 0.92),
         (0.2, 0.86)),
        ((0, 1), (1, 2), (2, 3, 4, 5, 6)),
    ),
    Glyph(
        6,
        ((0.68, 0.05), (0.36, 0.3), (0.22, 0.65), (0.4, 0.94), (0.7, 0.86), (0.74, 0.62),
         (0.5, 0.5), (0.25, 0.66)),
        ((0, 1, 2, 3, 4, 5, 6, 7),),
    ),
    Glyph(7, ((0.18, 0.07), (0.8, 0.07), (0.56, 0.5), (0.4, 0.95)), ((0, 1), (1, 2, 3))),
    Glyph(
        7,
        ((0.18, 0.08), (0.8, 0.07), (0.58, 0.5), (0.42, 0.95), (0.32, 0.52), (0.8, 0.5)),
        ((0, 1), (1, 2, 3), (4, 2, 5)),
    ),
    Glyph(
        8,
        ((0.5, 0.46), (0.26, 0.26), (0.5, 0.05), (0.74, 0.26), (0.5, 0.48), (0.22, 0.73),
         (0.5, 0.95), (0.78, 0.73)),
        ((0, 1, 2, 3, 4, 5, 6, 7, 0),),
    ),
    Glyph(
        8,
        (*_ring(0.5, 0.26, 0.22, 0.21), *_ring(0.5, 0.71, 0.28, 0.24)),
        ((0, 1, 2, 3, 4, 5, 0), (6, 7, 8, 9, 10, 11, 6)),
    ),
    Glyph(
        9,
        ((0.74, 0.28), (0.5, 0.05), (0.25, 0.28), (0.46, 0.5), (0.7, 0.62), (0.62, 0.95)),
        ((0, 1, 2, 3, 0), (0, 4, 5)),
    ),
    Glyph(
        9,
        ((0.72, 0.26), (0.48, 0.05), (0.25, 0.27), (0.46, 0.5), (0.76, 0.6), (0.58, 0.93),
         (0.28, 0.87)),
        ((0, 1, 2, 3, 0), (0, 4, 5, 6)),
    ),
)  # fmt: skip
"""Every way to write every digit, by rising digit."""


def sampling_matrix(glyph: Glyph, width: int) -> Floats:
    """Give the weights (SAMPLES, width) that turn `glyph`'s control points into curve samples.

    A sample is a fixed mixture of control points, so one product with these weights samples the
    curves of any number of distorted copies. `width` pads the columns with zeros.
    """
    spans = [span for stroke in glyph.strokes for span in _spans(stroke)]
    points = np.asarray(glyph.points)
    lengths = np.array([np.linalg.norm(points[b] - points[a]) for _, a, b, _ in spans])
    borders = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    where = (np.arange(SAMPLES) + 0.5) / SAMPLES
    span_of = np.searchsorted(borders, where, side="right") - 1
    within = (where - borders[span_of]) / (borders[span_of + 1] - borders[span_of])
    weights = np.zeros((SAMPLES, width), dtype=np.float32)
    for column, values in enumerate(_catmull_rom(within)):
        controls = np.array([span[column] for span in spans])[span_of]
        np.add.at(weights, (np.arange(SAMPLES), controls), values)
    return weights


def _spans(stroke: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """List the four control points around every piece of a stroke, its ends repeated."""
    closed = stroke[0] == stroke[-1]
    first, last = (stroke[-2], stroke[1]) if closed else (stroke[0], stroke[-1])
    path = (first, *stroke, last)
    return [(path[i], path[i + 1], path[i + 2], path[i + 3]) for i in range(len(stroke) - 1)]


def _catmull_rom(t: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Weigh the four control points of a span at `t` in [0, 1)."""
    return (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )
