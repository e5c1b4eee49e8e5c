"""Learning curves with the range of their seeds."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from scalectl.report.figures.points import Label, label_in_column
from scalectl.report.figures.style import find_marker, new_axes
from scalectl.report.tables.curves import average, collect_curves
from scalectl.search.results import Results

TITLE = "Learning curves"
MISSING = "No finished training has a learning curve yet: scalectl grid stores them."


def draw(results: Results) -> Figure | None:
    """Draw means over seeds, with bands from the lowest seed to the highest."""
    curves_by_network = collect_curves(results)
    if not curves_by_network:
        return None
    figure, axes = new_axes("epoch", "log-loss on the select split, nats")
    axes.set_yscale("log")  # one spike hides no other curve
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:.4g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")
    labels = []
    for summary, curves in curves_by_network:
        mean, marker = average(curves), find_marker(summary.candidate, results)
        epochs = np.arange(1, len(mean) + 1)
        if not marker.caption:
            axes.plot(epochs, mean, color=marker.colour, lw=0.7, alpha=0.6, zorder=1)
            continue
        if len(curves) > 1:
            seeds = np.array([curve[: len(mean)] for curve in curves])
            axes.fill_between(
                epochs, seeds.min(axis=0), seeds.max(axis=0),
                color=marker.colour, alpha=0.09, lw=0, zorder=2,
            )  # fmt: skip
        width = 2.2 if marker.is_chosen else 1.4
        axes.plot(epochs, mean, "o-", color=marker.colour, markersize=3, lw=width, zorder=3)
        labels.append(Label(len(mean), mean[-1], marker.caption, bold=marker.is_chosen))
    label_in_column(axes, labels)
    return figure


def describe(results: Results) -> str:
    ends = [
        (average(curves)[-1], find_marker(summary.candidate, results).caption)
        for summary, curves in collect_curves(results)
    ]
    words = "; ".join(f"{caption} {loss:.3f}" for loss, caption in sorted(ends) if caption)
    return f"Log-loss on the select split after each epoch. After the last epoch: {words}."
