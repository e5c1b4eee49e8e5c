"""Networks as points of a figure, with names beside them in place of a legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression

from scalectl.report.figures.style import FAINT, INK, MUTED, PAPER, find_marker
from scalectl.search.results import Results
from scalectl.trial import Candidate

_GAP = 0.065
"""Between the labels of a column, as a fraction of the axes' height."""
_BESIDE = ((7, 0), (-7, 0), (0, 10), (0, -10))
_DIAGONAL = ((7, -9), (7, 9), (-7, -9), (-7, 9))
_FARTHER = ((13, 0), (-13, 0), (0, 17), (0, -17))
"""Where a label may stand, in typographic points to the right of its point and above it."""
_POINT = 8
"""Half of the side of the square that a point covers, in pixels."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the point (x, y), in the units of its axes."""

    x: float
    y: float
    text: str
    bold: bool = False
    minor: bool = False
    """Whether it is small, and left out where there is no room for it."""


def draw_points(
    axes: Axes, points: Sequence[tuple[float, float, Candidate]], results: Results
) -> None:
    """Draw each network as a dot, the chosen one as a star; the named ones above, with their captions."""
    labels = []
    for x, y, candidate in points:
        marker = find_marker(candidate, results)
        axes.plot(
            x, y, "*" if marker.is_chosen else "o", color=marker.colour,
            markersize=13 if marker.is_chosen else 6, markeredgecolor=PAPER, markeredgewidth=0.6,
            zorder=5 if marker.is_chosen else 4 if marker.caption else 3,
        )  # fmt: skip
        if marker.caption:
            labels.append(Label(x, y, marker.caption, bold=marker.is_chosen))
    label_in_column(axes, labels)


def label_in_column(axes: Axes, labels: Sequence[Label]) -> None:
    """Write labels in a column beside the axes, none over another, each with a line to its point.

    The line of a point in the left half would cross the figure: such a label stays with its point.
    """
    if not labels:
        return
    axes.autoscale_view()
    to_fractions = axes.transScale + axes.transLimits
    places = to_fractions.transform([(label.x, label.y) for label in labels])
    near = [label for label, (x, _) in zip(labels, places, strict=True) if x < 0.45]
    label_near(axes, near, [(label.x, label.y) for label in labels], (*_DIAGONAL, *_FARTHER))
    column = sorted(
        ((y, label) for label, (x, y) in zip(labels, places, strict=True) if x >= 0.45),
        key=lambda pair: pair[0],
    )
    # The least displacement that keeps the order and the gaps.
    steps = _GAP * np.arange(len(column))
    lowest = isotonic_regression([y for y, _ in column] - steps).x if column else steps
    heights = np.clip(lowest, 0, max(0.0, 1 - _GAP * (len(column) - 1))) + steps
    for (_, label), height in zip(column, heights, strict=True):
        _annotate(
            axes, label, (1.07, height), textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": FAINT, "lw": 0.6, "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


def label_near(
    axes: Axes,
    labels: Sequence[Label],
    points: Sequence[tuple[float, float]],
    offsets: Sequence[tuple[float, float]] = (*_BESIDE, *_DIAGONAL, *_FARTHER),
) -> None:
    """Write each label beside its point, where it covers least of `points` and of other labels."""
    if not labels:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # before this, no place is known
    taken = [Bbox([place - _POINT, place + _POINT]) for place in axes.transData.transform(points)]
    width, height = figure.bbox.size
    taken.append(Bbox.from_extents(-width, 0, axes.bbox.x0, height))  # the axis and its numbers
    taken.append(Bbox.from_extents(width, 0, 2 * width, height))
    for label in labels:
        background = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}
        text = _annotate(
            axes, label, offsets[0], textcoords="offset points", zorder=6,
            bbox=background | {"alpha": 0 if label.minor else 0.72},
        )  # fmt: skip
        costs = {offset: _measure_overlap(_place(text, offset), taken) for offset in offsets}
        best = min(offsets, key=lambda offset: costs[offset])
        if label.minor and costs[best] > 0:
            text.remove()
        else:
            taken.append(_place(text, best))


def _annotate(axes: Axes, label: Label, place: tuple[float, float], **looks: Any) -> Annotation:
    return axes.annotate(
        label.text,
        (label.x, label.y),
        place,
        va="center",
        fontsize=7.5 if label.minor else 9,
        fontweight="bold" if label.bold else "normal",
        color=MUTED if label.minor else INK,
        **looks,
    )


def _place(text: Annotation, offset: tuple[float, float]) -> Bbox:
    """Move a label to an offset from its point, and return the box that it covers there, in pixels."""
    text.set_position(offset)
    text.set_horizontalalignment(("center", "left", "right")[int(np.sign(offset[0]))])
    return text.get_window_extent()


def _measure_overlap(box: Bbox, others: Sequence[Bbox]) -> float:
    """Return the sum of the square roots of the areas that `box` shares with others, in pixels.

    By the roots, two slight touches are worse than one of the same area.
    """
    shared = (Bbox.intersection(box, other) for other in others)
    return sum(math.sqrt(part.width * part.height) for part in shared if part)
