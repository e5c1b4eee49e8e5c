"""What all figures share: colours by role, and labels beside what they name instead of legends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalectl.evidence import Evidence
from scalectl.render import printable
from scalectl.reports.candidates import label
from scalectl.selection import Summary

PAPER = "#fffffe"
INK = "#1d2530"
MUTED = "#5d6876"
FAINT = "#a9b2bd"
LINES = "#e4e8ed"
CHOSEN = "#c8441d"
HIGHEST = "#8447a6"
SINGLE = "#0a7c74"
COMPOUND = "#2c66c4"
HEAT = (
    "#eef3f8",
    "#dbe7f2",
    "#c5d9ea",
    "#abc8e0",
    "#8fb5d4",
    "#719fc6",
    "#5488b6",
    "#3a70a2",
    "#24588a",
)
"""From low to high. Every colour here is another one: pages replace each by their own."""

COLOURS = {
    "paper": PAPER,
    "ink": INK,
    "muted": MUTED,
    "faint": FAINT,
    "lines": LINES,
    "chosen": CHOSEN,
    "highest": HIGHEST,
    "single": SINGLE,
    "compound": COMPOUND,
    **{f"heat-{level}": colour for level, colour in enumerate(HEAT)},
}

WIDTH, HEIGHT = 5.0, 3.6
"""Inches; narrow enough for the text to be read on a telephone."""

RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.constrained_layout.use": True,
    "figure.edgecolor": "none",
    "figure.facecolor": PAPER,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": LINES,
    "grid.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "pdf.fonttype": 42,
    "savefig.facecolor": "auto",
    "svg.fonttype": "none",
    "svg.hashsalt": "scalectl",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 8.5,
}
"""Of matplotlib, while figures are drawn and saved. Names may hold anything: no mathematics."""


@dataclass(frozen=True, slots=True)
class Label:
    """Words for a point, in the units of its axes."""

    x: float
    y: float
    text: str
    bold: bool = False
    minor: bool = False
    """Small, and left out where there is no room for it."""


def new_axes(x: str, y: str, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, which say what they measure."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def name_of(summary: Summary) -> str:
    """For a label."""
    return clean(label(summary.candidate))


def clean(text: str) -> str:
    """Of signs that the fonts may lack, and cut to what leaves room for the figure."""
    plain = printable(text).encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


_LONGEST = 32


def colour_of(summary: Summary, evidence: Evidence) -> str:
    """By role: what was chosen, the highest mean, single dimensions, other named ones, the rest."""
    candidate = summary.candidate
    if is_chosen(summary, evidence):
        return CHOSEN
    if is_highest(summary, evidence):
        return HIGHEST
    if candidate.control in ("depth", "width", "resolution"):
        return SINGLE
    if candidate.control == "baseline":
        return MUTED
    return COMPOUND if candidate.control else FAINT


def is_chosen(summary: Summary, evidence: Evidence) -> bool:
    """Whether it is the winner, or what is recommended for want of one."""
    selection, candidate = evidence.selection, summary.candidate
    if selection.winner:
        return candidate.fingerprint == selection.winner.candidate.fingerprint
    return candidate.shares is not None and candidate.coefficients == selection.recommended


def is_highest(summary: Summary, evidence: Evidence) -> bool:
    """Whether its mean is the highest."""
    argmax = evidence.selection.argmax
    return argmax is not None and argmax.candidate.fingerprint == summary.candidate.fingerprint


def is_named(summary: Summary, evidence: Evidence) -> bool:
    """Whether it is drawn in colour, with its name."""
    return colour_of(summary, evidence) != FAINT


def caption(summary: Summary, evidence: Evidence) -> str:
    """Its name, and what it is in this search."""
    roles = []
    if is_chosen(summary, evidence):
        roles.append("winner" if evidence.selection.winner else "recommended")
    if is_highest(summary, evidence):
        roles.append("argmax")
    return ", ".join([name_of(summary), *roles])


def draw_point(axes: Axes, x: float, y: float, colour: str, *, chosen: bool) -> None:
    """A star for what was chosen, above all others."""
    axes.plot(
        x, y, "*" if chosen else "o", color=colour, markersize=13 if chosen else 6,
        markeredgecolor=PAPER, markeredgewidth=0.6, zorder=5 if chosen else 3,
    )  # fmt: skip


def say(summaries: Sequence[Summary], evidence: Evidence) -> str:
    """The named ones among them with their top-1, for those who cannot see a figure."""
    return "; ".join(
        f"{caption(one, evidence)} {one.mean_top1:.1%}"
        for one in sorted(summaries, key=lambda one: -(one.mean_top1 or 0))
        if is_named(one, evidence) and one.mean_top1 is not None
    )


def label_right(axes: Axes, labels: Sequence[Label]) -> None:
    """In a column beside the axes, spread so that none covers another, each with a line to its point.

    Those of points in the left half stay with them.
    """
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right)
    aside = [one for one in labels if (one.x - left) / (right - left) < 0.45]
    for one in aside:  # a line across everything would be worse
        axes.annotate(
            one.text, (one.x, one.y), (6, -8), textcoords="offset points", va="center", fontsize=9
        )
    gap = 0.065
    ordered = sorted((one for one in labels if one not in aside), key=lambda one: one.y)
    heights = [(one.y - low) / (high - low) for one in ordered]
    for number in range(1, len(heights)):
        heights[number] = max(heights[number], heights[number - 1] + gap)
    limit = 1.0
    for number in reversed(range(len(heights))):
        heights[number] = min(heights[number], limit)
        limit = heights[number] - gap
    for one, height in zip(ordered, heights, strict=True):
        axes.annotate(
            one.text,
            (one.x, one.y),
            (1.04, height),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            fontweight="bold" if one.bold else "normal",
            arrowprops={"arrowstyle": "-", "color": FAINT, "lw": 0.6, "shrinkA": 1, "shrinkB": 3},
        )


def label_near(axes: Axes, labels: Sequence[Label], points: Sequence[tuple[float, float]]) -> None:
    """Beside each point, where it covers least of the others and of the points."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()  # only then is it known where things are
    to_points = 72 / figure.dpi
    taken = [_around(axes, x, y, to_points) for x, y in points]
    for one in labels:
        x, y = (to_points * value for value in axes.transData.transform((one.x, one.y)))
        size = 7.5 if one.minor else 9.0
        width, height = 0.6 * size * len(one.text), 1.1 * size
        options = [
            (x + across - width * (1 - side) / 2, y + up - height / 2)
            for across, up, side in _SIDES
        ]
        boxes = [(left, low, left + width, low + height) for left, low in options]
        costs = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = min(range(len(options)), key=lambda number: costs[number])
        if one.minor and costs[best] > 0:
            continue
        taken.append(boxes[best])
        across, up, side = _SIDES[best]
        axes.annotate(
            one.text,
            (one.x, one.y),
            (across, up),
            textcoords="offset points",
            ha={1: "left", 0: "center", -1: "right"}[side],
            va="center",
            fontsize=size,
            fontweight="bold" if one.bold else "normal",
            color=MUTED if one.minor else INK,
            zorder=6,
            bbox={
                "facecolor": PAPER,
                "edgecolor": "none",
                "alpha": 0 if one.minor else 0.72,
                "pad": 0.8,
            },
        )


def count_up(value: float, _position: float | None = None) -> str:
    """A large number as people say it: 1.2 G."""
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


_SIDES = (
    (7, 0, 1),
    (-7, 0, -1),
    (0, 10, 0),
    (0, -10, 0),
    (7, 9, 1),
    (7, -9, 1),
    (-7, 9, -1),
    (-7, -9, -1),
    (13, 0, 1),
    (-13, 0, -1),
    (0, 17, 0),
    (0, -17, 0),
)
"""Points to the right and up of a label's anchor, and which way it is written from there."""

_Box = tuple[float, float, float, float]


def _around(axes: Axes, x: float, y: float, to_points: float) -> _Box:
    across, up = axes.transData.transform((x, y)) * to_points
    return float(across) - 4, float(up) - 4, float(across) + 4, float(up) + 4


def _overlap(one: _Box, other: _Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    up = min(one[3], other[3]) - max(one[1], other[1])
    return math.sqrt(across * up) if across > 0 and up > 0 else 0.0
