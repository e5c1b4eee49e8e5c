"""The triangle of compute shares: the fitted surface, its best part, and what was trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from mpltern.ternary import TernaryAxes

from scalectl.analysis.evidence import Evidence
from scalectl.analysis.summaries import Summary
from scalectl.analysis.surface import Place
from scalectl.arch.scaling import Coefficients, Shares
from scalectl.report.figures.points import Label, label_near
from scalectl.report.figures.style import (
    CHOSEN,
    HEAT,
    INK,
    MUTED,
    PAPER,
    WIDTH,
    describe_scores,
    find_marker,
)
from scalectl.search.results import Results

TITLE = "Where the compute should go"
MISSING = "No candidate has a finished training yet: scalectl grid trains them."


def draw(results: Results) -> Figure | None:
    """Draw with resolution on top, depth at the lower left and width at the lower right."""
    if not _list_trained(results):
        return None
    figure = Figure(figsize=(WIDTH, 4.3))
    draw_in(figure, results)
    return figure


def draw_in(figure: FigureBase, results: Results) -> None:
    """Draw the triangle, with its legend below, into a figure or a part of one."""
    axes: TernaryAxes = figure.add_subplot(axes_class=TernaryAxes)
    for axis in (axes.taxis, axes.laxis, axes.raxis):
        axis.set_ticks([0.25, 0.5, 0.75], labels=[])
        axis.set_tick_params(length=0)
    _name_corners(axes)
    keys = [_key("trained", marker="o", color=INK, markerfacecolor=PAPER, linestyle="")]
    surface, evidence = results.selection.surface, results.selection.evidence
    if evidence and _has_area(surface):
        _draw_surface(axes, surface, evidence)
        if 0 < sum(place.is_open for place in surface) < len(surface):
            keys.append(_key("not shown to be worse", color=INK, linestyle="--"))
    figure.legend(handles=keys, loc="outside lower center", borderpad=0, labelspacing=0.2)
    _draw_trained(axes, _list_trained(results), results)


def describe(results: Results) -> str:
    """Name the optimum, the size of the set around it, and the trained networks with a name."""
    selection = results.selection
    parts = ["Triangle of the shares of depth, width and resolution in the added compute."]
    if selection.optimum:
        best = selection.optimum
        parts.append(
            f"The fitted surface is highest at {best.depth:.0%} depth, {best.width:.0%} width and "
            f"{best.resolution:.0%} resolution."
        )
        open_ = sum(place.is_open for place in selection.surface) / len(selection.surface)
        parts.append(f"{open_:.0%} of the searched part is not shown to be worse.")
    scores = describe_scores(_list_trained(results), results)
    return " ".join([*parts, f"Trained: {scores}."])


def _list_trained(results: Results) -> list[Summary]:
    return [summary for summary in results.summaries if summary.candidate.shares and summary.n]


def _point(shares: Shares) -> tuple[float, float, float]:
    """Return shares in the order of a ternary plot's axes: top, left, right."""
    return shares.resolution, shares.depth, shares.width


def _key(text: str, **looks: Any) -> Line2D:
    return Line2D([], [], label=text, lw=1.2, markersize=4.5, **looks)


def _name_corners(axes: TernaryAxes) -> None:
    for shares, letter, side, outside in (
        (Shares(1, 0, 0), "alpha", "top", (-0.06, 1.03, 0.03)),
        (Shares(0, 1, 0), "beta", "top", (-0.06, 0.03, 1.03)),
        (Shares(0, 0, 1), "gamma", "bottom", (1.06, -0.03, -0.03)),
    ):
        value = getattr(Coefficients.from_shares(shares), letter)
        dimension = {"alpha": "depth", "beta": "width", "gamma": "resolution"}[letter]
        text = f"all into {dimension}\n{letter} = {value:.3g}"
        axes.text(*outside, text, ha="center", va=side, color=MUTED, fontsize=8.5)


def _has_area(surface: Sequence[Place]) -> bool:
    """Whether the surface covers an area that can be coloured, not a line or a point."""
    points = np.array([_point(place.shares) for place in surface])
    return len(points) > 2 and int(np.linalg.matrix_rank(points - points[0], tol=1e-6)) == 2


def _draw_surface(axes: TernaryAxes, surface: Sequence[Place], evidence: Evidence) -> None:
    points = np.array([_point(place.shares) for place in surface]).T
    heights = 100 * np.array([place.height for place in surface])
    low, high = float(heights.min()), float(heights.max())
    if high - low > 1e-9:
        levels = np.linspace(low, high, len(HEAT) + 1)
        bands = axes.tricontourf(*points, heights, levels=levels, colors=HEAT, zorder=1)
        scale = axes.inset_axes((-0.1, 0.5, 0.05, 0.4))
        bar = axes.figure.colorbar(bands, cax=scale, ticks=[low, high], format="%.2g")
        bar.outline.set_visible(False)
        scale.tick_params(length=0)
        unit = f"{evidence.percent},\nfitted"
        scale.set_title(unit, loc="left", pad=9, fontsize=8.5, color=MUTED)
    inside = np.array([float(place.is_open) for place in surface])
    if 0 < inside.sum() < len(inside):
        outline: dict[str, Any] = {"colors": INK, "linewidths": 1.2, "linestyles": "--"}
        axes.tricontour(*points, inside, levels=[0.5], zorder=2, **outline)


def _draw_trained(axes: TernaryAxes, trained: Sequence[Summary], results: Results) -> None:
    points = {each: _point(each.candidate.shares) for each in trained if each.candidate.shares}
    places = axes.transProjection.transform(list(points.values()))
    labels = []
    for (summary, point), (x, y) in zip(points.items(), places, strict=True):
        marker = find_marker(summary.candidate, results)
        looks: dict[str, Any] = {"markersize": 3.5, "color": INK, "markeredgewidth": 0.8}
        if marker.caption:
            looks = {"markersize": 6, "color": marker.colour, "markeredgewidth": 1.6}
            labels.append(Label(x, y, marker.caption, bold=marker.is_chosen))
        if marker.is_chosen:
            looks = {"marker": "*", "markersize": 13, "color": PAPER, "markeredgewidth": 0.8}
        face = CHOSEN if marker.is_chosen else PAPER
        axes.plot(
            *point, **{"marker": "o", **looks}, markerfacecolor=face,
            clip_on=False, zorder=6 if marker.is_chosen else 4,
        )  # fmt: skip
    label_near(axes, labels, places)
