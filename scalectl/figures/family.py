"""The sizes that the coefficients give, beside published networks."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from scalectl.evidence import Evidence
from scalectl.figures.style import (
    CHOSEN,
    COMPOUND,
    FAINT,
    MUTED,
    Label,
    count_up,
    label_near,
    new_axes,
)
from scalectl.reports.family import list_sizes
from scalectl.reports.literature import EFFICIENTNETS, OTHERS, Network

TITLE = "The family"
MISSING = (
    "Counting the sizes of a factory would run its code, which a report does not: "
    "scalectl scale --family --baseline PACKAGE.MODULE:FUNCTION does."
)


def draw(evidence: Evidence) -> Figure | None:
    """Parameters against multiply-adds, both in doublings; published networks as they were published."""
    sizes = list_sizes(evidence)
    if not sizes:
        return None
    figure, axes = new_axes("MACs", "parameters", 4.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(count_up)
        axis.set_minor_formatter(NullFormatter())
    family = [(size.cost.macs, size.cost.params) for size in sizes]
    official, others = _place(EFFICIENTNETS), _place(OTHERS)
    axes.plot(*zip(*others, strict=True), "o", color=FAINT, markersize=3.5)
    axes.plot(*zip(*official, strict=True), "o-", color=COMPOUND, markersize=3.5, lw=1, alpha=0.8)
    axes.plot(*zip(*family, strict=True), "o-", color=CHOSEN, markersize=5, lw=1.8)
    own = [
        Label(*place, f"phi {size.phi:g}", bold=True)
        for place, size in zip(family, sizes, strict=True)
    ]
    published = [
        Label(one.macs, one.params, one.name.removeprefix("EfficientNet-"), minor=True)
        for one in (*EFFICIENTNETS, *OTHERS)
    ]
    label_near(axes, [*own, *published], [*family, *official, *others])
    words: dict[str, Any] = {"xycoords": "axes fraction", "fontsize": 8.5, "va": "top"}
    axes.annotate(f"scaled by {sizes[0].coefficients}", (0.02, 0.99), color=CHOSEN, **words)
    axes.annotate("EfficientNet, as published", (0.02, 0.93), color=COMPOUND, **words)
    axes.annotate(
        "others, as published,\nwith recipes of their own", (0.02, 0.87), color=MUTED, **words
    )
    return figure


def describe(evidence: Evidence) -> str:
    """The sizes."""
    sizes = "; ".join(
        f"phi {size.phi:g}: {size.cost.macs / 1e9:.3g} billion MACs, "
        f"{size.cost.params / 1e6:.3g} million parameters"
        for size in list_sizes(evidence)
    )
    return (
        f"Parameters against multiply-adds of the scaled sizes, beside published networks. {sizes}."
    )


def _place(networks: Sequence[Network]) -> list[tuple[float, float]]:
    return [(one.macs, one.params) for one in networks]
