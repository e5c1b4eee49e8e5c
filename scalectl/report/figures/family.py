"""The sizes that the coefficients give, beside published networks."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from scalectl.report.figures.points import Label, label_near
from scalectl.report.figures.style import CHOSEN, COMPOUND, FAINT, MUTED, count_up, new_axes
from scalectl.report.published import EFFICIENTNETS, OTHERS
from scalectl.report.tables.family import list_sizes
from scalectl.search.results import Results

TITLE = "The family"
MISSING = (
    "Counting the sizes of a factory would run its code, which a report does not: "
    "scalectl scale --family --baseline PACKAGE.MODULE:FUNCTION does."
)


def draw(results: Results) -> Figure | None:
    """Draw parameters against MACs, both on a log axis."""
    sizes = list_sizes(results)
    if not sizes:
        return None
    figure, axes = new_axes("MACs", "parameters", 4.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(count_up)
        axis.set_minor_formatter(NullFormatter())
    own = [
        Label(size.cost.macs, size.cost.params, f"phi {size.phi:g}", bold=True) for size in sizes
    ]
    official, others = (
        [
            Label(each.macs, each.params, each.name.removeprefix("EfficientNet-"), minor=True)
            for each in networks
        ]
        for networks in (EFFICIENTNETS, OTHERS)
    )
    looks: tuple[tuple[list[Label], str, dict[str, Any]], ...] = (
        (others, "o", {"color": FAINT, "markersize": 3.5}),
        (official, "o-", {"color": COMPOUND, "markersize": 3.5, "lw": 1, "alpha": 0.8}),
        (own, "o-", {"color": CHOSEN, "markersize": 5, "lw": 1.8}),
    )
    for labels, form, look in looks:
        axes.plot([label.x for label in labels], [label.y for label in labels], form, **look)
    words: dict[str, Any] = {"xycoords": "axes fraction", "fontsize": 8.5, "va": "top"}
    axes.annotate(f"scaled by {sizes[0].coefficients}", (0.02, 0.99), color=CHOSEN, **words)
    axes.annotate("EfficientNet, as published", (0.02, 0.93), color=COMPOUND, **words)
    axes.annotate(
        "others, as published,\nwith recipes of their own", (0.02, 0.87), color=MUTED, **words
    )
    labels = [*own, *official, *others]
    label_near(axes, labels, [(label.x, label.y) for label in labels])
    return figure


def describe(results: Results) -> str:
    sizes = "; ".join(
        f"phi {size.phi:g}: {size.cost.macs / 1e9:.3g} billion MACs, "
        f"{size.cost.params / 1e6:.3g} million parameters"
        for size in list_sizes(results)
    )
    return (
        f"Parameters against multiply-adds of the scaled sizes, beside published networks. {sizes}."
    )
