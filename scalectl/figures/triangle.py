"""The triangle of shares: the fitted surface, what cannot be told from the best, what was trained."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.tri import Triangulation

from scalectl.evidence import Evidence
from scalectl.figures.style import (
    CHOSEN,
    FAINT,
    HEAT,
    INK,
    LINES,
    MUTED,
    PAPER,
    WIDTH,
    Label,
    caption,
    colour_of,
    is_chosen,
    is_named,
    label_near,
    say,
)
from scalectl.scaling import Shares
from scalectl.selection import Place, Summary

TITLE = "Where the compute should go"
MISSING = "No candidate has a finished training yet: scalectl grid trains them."

_TOP = 3**0.5 / 2


def draw(evidence: Evidence) -> Figure | None:
    """Depth at the left below, width at the right, resolution on top."""
    trained = _list_trained(evidence)
    if not trained:
        return None
    figure = Figure(figsize=(WIDTH, 4.3))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-0.16, 1.14)
    axes.set_ylim(-0.13, 1.0)
    _draw_frame(axes)
    surface = evidence.selection.surface
    keys = [_key("trained", marker="o", color=INK, markerfacecolor=PAPER, linestyle="")]
    if _is_plane(surface):
        _draw_surface(axes, surface)
        if 0 < sum(one.indifferent for one in surface) < len(surface):
            keys.append(_key("cannot be told from the best", color=INK, linestyle="--"))
    _draw_trained(axes, trained, evidence)
    axes.legend(handles=keys, loc="lower center", borderpad=0, labelspacing=0.2)
    return figure


def describe(evidence: Evidence) -> str:
    """The optimum, the set around it, and the named networks."""
    selection = evidence.selection
    parts = ["Triangle of the shares of depth, width and resolution in the added compute."]
    if selection.optimum:
        best = selection.optimum
        parts.append(
            f"The fitted top-1 is highest at {best.depth:.0%} depth, {best.width:.0%} width and "
            f"{best.resolution:.0%} resolution."
        )
    if selection.indifference:
        parts.append(
            f"{selection.indifference.fraction:.0%} of the searched part cannot be told from that."
        )
    return " ".join([*parts, f"Trained: {say(_list_trained(evidence), evidence)}."])


def _list_trained(evidence: Evidence) -> list[Summary]:
    return [one for one in evidence.summaries if one.candidate.shares and one.n]


def _at(shares: Shares) -> tuple[float, float]:
    return shares.width + shares.resolution / 2, shares.resolution * _TOP


def _key(text: str, **looks: Any) -> Line2D:
    return Line2D([], [], label=text, lw=1.2, markersize=4.5, **looks)


def _draw_frame(axes: Axes) -> None:
    for part in (0.25, 0.5, 0.75):
        rest = 1 - part
        for ends in (
            (Shares(part, rest, 0), Shares(part, 0, rest)),
            (Shares(rest, part, 0), Shares(0, part, rest)),
            (Shares(rest, 0, part), Shares(0, rest, part)),
        ):
            axes.plot(*zip(*map(_at, ends), strict=True), color=LINES, lw=0.8, zorder=0)
    corners = (Shares(1, 0, 0), Shares(0, 1, 0), Shares(0, 0, 1), Shares(1, 0, 0))
    axes.plot(*zip(*map(_at, corners), strict=True), color=FAINT, lw=1, zorder=3)
    words: dict[str, Any] = {"color": MUTED, "fontsize": 8.5}
    axes.text(0, -0.05, "all into depth\nalpha = 2", ha="center", va="top", **words)
    axes.text(1, -0.05, "all into width\nbeta = 1.41", ha="center", va="top", **words)
    axes.text(0.5, _TOP + 0.04, "all into resolution\ngamma = 1.41", ha="center", **words)


def _is_plane(surface: tuple[Place, ...]) -> bool:
    """Whether it has an area to be coloured."""
    points = np.array([_at(one.shares) for one in surface])
    return len(points) > 2 and int(np.linalg.matrix_rank(points - points[0], tol=1e-6)) == 2


def _draw_surface(axes: Axes, surface: tuple[Place, ...]) -> None:
    x, y = np.array([_at(one.shares) for one in surface]).T
    height = 100 * np.array([one.top1 for one in surface])
    places = Triangulation(x, y)
    low, high = float(height.min()), float(height.max())
    if high - low > 1e-9:
        levels = np.linspace(low, high, len(HEAT) + 1)
        axes.tricontourf(places, height, levels=levels, colors=HEAT, antialiased=True, zorder=1)
        _draw_scale(axes, levels)
    inside = np.array([float(one.indifferent) for one in surface])
    if 0 < inside.sum() < len(inside):
        outline: dict[str, Any] = {"colors": INK, "linewidths": 1.2, "linestyles": "--"}
        axes.tricontour(places, inside, levels=[0.5], zorder=2, **outline)


def _draw_scale(axes: Axes, levels: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
    left, bottom, step = -0.14, 0.5, 0.045
    for number, colour in enumerate(HEAT):
        axes.barh(bottom + number * step, 0.045, step, left=left, align="edge", color=colour)
    for number in (0, len(HEAT)):
        axes.text(
            left + 0.06, bottom + number * step, f"{levels[number]:.1f}%", fontsize=8.5,
            va="center", color=MUTED,
        )  # fmt: skip
    axes.text(left, bottom + (len(HEAT) + 0.9) * step, "fitted top-1", fontsize=8.5, color=MUTED)  # fmt: skip


def _draw_trained(axes: Axes, trained: list[Summary], evidence: Evidence) -> None:
    spots = {one.candidate.fingerprint: _at(one.candidate.shares) for one in trained if one.candidate.shares}  # fmt: skip
    labels = []
    for one in trained:
        x, y = spots[one.candidate.fingerprint]
        chosen = is_chosen(one, evidence)
        named = is_named(one, evidence)
        axes.plot(
            x, y, "*" if chosen else "o",
            markersize=13 if chosen else 6 if named else 3.5,
            color=colour_of(one, evidence) if named else INK,
            markerfacecolor=CHOSEN if chosen else PAPER,
            markeredgecolor=PAPER if chosen else None,
            markeredgewidth=1.6 if named and not chosen else 0.8, zorder=6 if chosen else 4,
        )  # fmt: skip
        if named:
            labels.append(Label(x, y, caption(one, evidence), bold=chosen))
    label_near(axes, labels, list(spots.values()))
