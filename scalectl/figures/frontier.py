"""Accuracy against multiply-adds, with the frontier."""

from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalectl.evidence import Evidence
from scalectl.figures.style import (
    MUTED,
    Label,
    caption,
    colour_of,
    count_up,
    draw_point,
    is_chosen,
    is_named,
    label_right,
    new_axes,
    say,
)
from scalectl.reports.frontier import find_frontier
from scalectl.selection import Summary

TITLE = "Accuracy against multiply-adds"
MISSING = "No network has a finished training yet: scalectl grid trains them."


def draw(evidence: Evidence) -> Figure | None:
    """Bars are one sd over seeds."""
    return draw_against(evidence, lambda one: one.candidate.cost.macs, "MACs")


def describe(evidence: Evidence) -> str:
    """The named networks, best first."""
    return (
        "Mean top-1 against multiply-adds for one image; candidates have twice those of the "
        f"baseline. {say(evidence.summaries, evidence)}."
    )


def draw_against(
    evidence: Evidence, cost: Callable[[Summary], float | None], title: str
) -> Figure | None:
    """Top-1 of every network against a cost, as far as that is known."""
    known = [
        (price, 100 * one.mean_top1, one)
        for one in evidence.summaries
        if one.mean_top1 is not None and (price := cost(one)) is not None
    ]
    if not known:
        return None
    figure, axes = new_axes(title, "top-1 on the select split, %")
    labels = []
    for x, y, one in sorted(known, key=lambda point: is_named(point[2], evidence)):
        named, colour = is_named(one, evidence), colour_of(one, evidence)
        if named and one.sd_top1 is not None:
            axes.errorbar(x, y, 100 * one.sd_top1, color=colour, lw=1, alpha=0.5, zorder=2)
        chosen = is_chosen(one, evidence)
        draw_point(axes, x, y, colour, chosen=chosen)
        if named:
            labels.append(Label(x, y, caption(one, evidence), bold=chosen))
    steps = [(x, y) for x, y, _ in find_frontier(known)]
    steps.append((max(x for x, *_ in known), steps[-1][1]))
    axes.plot(*zip(*steps, strict=True), color=MUTED, lw=1, drawstyle="steps-post", zorder=1)
    middle = (steps[0][0] + steps[1][0]) / 2, steps[0][1]
    axes.annotate(
        "frontier",
        middle,
        (0, 4),
        textcoords="offset points",
        fontsize=8.5,
        color=MUTED,
        ha="center",
    )
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(count_up)
    label_right(axes, labels)
    return figure
