"""The formula's cost against the counted one."""

from matplotlib.figure import Figure

from scalectl.evidence import Evidence
from scalectl.figures.style import (
    LINES,
    MUTED,
    Label,
    caption,
    colour_of,
    draw_point,
    is_chosen,
    is_named,
    label_right,
    new_axes,
)
from scalectl.selection import Summary

TITLE = "Nominal and realised cost"
MISSING = "No candidate is known yet: scalectl grid --dry-run counts them."

_BAND = 2**0.07
"""What the search's default rule permits: 5 %."""


def draw(evidence: Evidence) -> Figure | None:
    """In multiples of the baseline's multiply-adds."""
    scaled = _list_scaled(evidence)
    if not scaled:
        return None
    figure, axes = new_axes("by the formula, x baseline", "counted on the rounded network, x")
    axes.axhspan(2 / _BAND, 2 * _BAND, color=LINES, alpha=0.7, lw=0, zorder=0)
    nominal = [one.candidate.nominal_ratio for one in scaled]
    realised = [one.candidate.realised_ratio for one in scaled]
    ends = min(nominal) - 0.03, max(nominal) + 0.03
    axes.plot(ends, ends, color=MUTED, lw=0.8, linestyle=":", zorder=1)
    labels = []
    for one in sorted(scaled, key=lambda one: is_named(one, evidence)):
        x, y = one.candidate.nominal_ratio, one.candidate.realised_ratio
        chosen, named = is_chosen(one, evidence), is_named(one, evidence)
        draw_point(axes, x, y, colour_of(one, evidence), chosen=chosen)
        if named:
            labels.append(Label(x, y, caption(one, evidence), bold=chosen))
    axes.set_ylim(min(2 / _BAND, *realised) - 0.04, max(2 * _BAND, *realised) + 0.04)
    axes.annotate(
        "twice the baseline, within 5 %", (0.01, 2 * _BAND), xycoords=("axes fraction", "data"),
        xytext=(0, -10), textcoords="offset points", fontsize=8.5, color=MUTED,
    )  # fmt: skip
    label_right(axes, labels)
    return figure


def describe(evidence: Evidence) -> str:
    """How far the two lie apart."""
    ratios = [one.candidate.realised_ratio for one in _list_scaled(evidence)]
    nominal = [one.candidate.nominal_ratio for one in _list_scaled(evidence)]
    return (
        f"The formula gives the candidates {min(nominal):.2f} to {max(nominal):.2f} times the "
        f"baseline's multiply-adds; the rounded networks have {min(ratios):.2f} to "
        f"{max(ratios):.2f} times."
    )


def _list_scaled(evidence: Evidence) -> list[Summary]:
    return [one for one in evidence.summaries if one.candidate.shares]
