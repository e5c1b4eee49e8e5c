"""The cost by the formula against the cost counted on the rounded network."""

from matplotlib.figure import Figure

from scalectl.report.figures.points import draw_points
from scalectl.report.figures.style import LINES, MUTED, new_axes
from scalectl.search.results import Results
from scalectl.trial import Candidate

TITLE = "Nominal and realised cost"
MISSING = "No candidate is known yet: scalectl grid --dry-run counts them."


def draw(results: Results) -> Figure | None:
    """Draw counted against nominal MACs, in multiples of the baseline's, and the band that is permitted."""
    scaled = _list_scaled(results)
    if not scaled:
        return None
    figure, axes = new_axes("by the formula, x baseline", "counted on the rounded network, x")
    nominal = [candidate.nominal_ratio for candidate in scaled]
    ends = min(nominal) - 0.03, max(nominal) + 0.03
    axes.plot(ends, ends, color=MUTED, lw=0.8, linestyle=":", zorder=1)
    heights = [candidate.realised_ratio for candidate in scaled]
    if results.max_deviation is not None:
        permitted = 2**results.max_deviation
        axes.axhspan(2 / permitted, 2 * permitted, color=LINES, alpha=0.7, lw=0, zorder=0)
        axes.annotate(
            f"twice the baseline, within {permitted - 1:.0%}", (0.01, 2 * permitted),
            xycoords=("axes fraction", "data"), xytext=(0, -10), textcoords="offset points",
            fontsize=8.5, color=MUTED,
        )  # fmt: skip
        heights += [2 / permitted, 2 * permitted]
    axes.set_ylim(min(heights) - 0.04, max(heights) + 0.04)
    points = [(each.nominal_ratio, each.realised_ratio, each) for each in scaled]
    draw_points(axes, points, results)
    return figure


def describe(results: Results) -> str:
    scaled = _list_scaled(results)
    nominal = [candidate.nominal_ratio for candidate in scaled]
    realised = [candidate.realised_ratio for candidate in scaled]
    return (
        f"The formula gives the candidates {min(nominal):.2f} to {max(nominal):.2f} times the "
        f"baseline's multiply-adds; the rounded networks have {min(realised):.2f} to "
        f"{max(realised):.2f} times."
    )


def _list_scaled(results: Results) -> list[Candidate]:
    return [summary.candidate for summary in results.summaries if summary.candidate.shares]
