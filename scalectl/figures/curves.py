"""Learning curves with the range of their seeds."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalectl.evidence import Evidence
from scalectl.figures.style import (
    Label,
    caption,
    colour_of,
    is_chosen,
    is_named,
    label_right,
    new_axes,
)
from scalectl.reports.curves import average, collect_curves

TITLE = "Learning curves"
MISSING = "No finished training has a learning curve yet: scalectl grid stores them."


def draw(evidence: Evidence) -> Figure | None:
    """Means over seeds; bands from the lowest to the highest seed. The unnamed are grey."""
    known = collect_curves(evidence)
    if not known:
        return None
    figure, axes = new_axes("epoch", "log-loss on the select split, nats")
    labels = []
    for one, curves in sorted(known, key=lambda pair: is_named(pair[0], evidence)):
        mean, colour = average(curves), colour_of(one, evidence)
        epochs = range(1, len(mean) + 1)
        named, chosen = is_named(one, evidence), is_chosen(one, evidence)
        if named and len(curves) > 1:
            lows, highs = zip(*((min(v), max(v)) for v in zip(*curves, strict=False)), strict=True)
            axes.fill_between(epochs, lows, highs, color=colour, alpha=0.09, lw=0, zorder=2)
        axes.plot(
            epochs, mean, "o-", color=colour, markersize=3 if named else 0,
            lw=2.2 if chosen else 1.4 if named else 0.7,
            alpha=1 if named else 0.6, zorder=3 if named else 1,
        )  # fmt: skip
        if named:
            labels.append(Label(len(mean), mean[-1], caption(one, evidence), bold=chosen))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=False, axis="x")
    label_right(axes, labels)
    return figure


def describe(evidence: Evidence) -> str:
    """Where the named ones end."""
    ends = [
        (one, average(curves)[-1])
        for one, curves in collect_curves(evidence)
        if is_named(one, evidence)
    ]
    ordered = sorted(ends, key=lambda pair: pair[1])
    words = "; ".join(f"{caption(one, evidence)} {end:.3f}" for one, end in ordered)
    return f"Log-loss on the select split after each epoch. After the last one: {words}."
