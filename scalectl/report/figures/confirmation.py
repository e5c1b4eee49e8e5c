"""The choice against its controls on fresh seeds: differences with their intervals."""

from matplotlib.figure import Figure

from scalectl.analysis.confirmation import Comparison
from scalectl.report.figures.style import CHOSEN, FAINT, HEIGHT, MUTED, clean, new_axes
from scalectl.search.architectures.results import ArchitectureResults
from scalectl.search.results import Results

TITLE = "Confirmed on fresh seeds and untouched images"
MISSING = (
    "The choice was not confirmed yet. Until then its own top-1 is too high, since it was chosen "
    "for it. Fresh seeds on the test split correct that: scalectl grid --set confirm.seeds=8."
)


def draw(results: Results | ArchitectureResults) -> Figure | None:
    """Draw one row for each comparison: seeds as points, the mean as a diamond, its 95 % interval."""
    rows = _list_rows(results)
    if not rows:
        return None
    figure, axes = new_axes(
        "reference - control on the test split, points of top-1",
        "",
        max(HEIGHT / 2, 0.9 + 0.34 * len(rows)),
    )
    axes.axvline(0, color=MUTED, lw=1)
    for number, (_, comparison) in enumerate(rows):
        seeds = [100 * value for value in comparison.top1.by_seed]
        axes.plot(seeds, [number] * len(seeds), "o", color=FAINT, markersize=3.5)
        if comparison.top1.interval:
            ends = [100 * value for value in comparison.top1.interval]
            axes.plot(ends, [number, number], color=CHOSEN, lw=2, solid_capstyle="butt")
        axes.plot(100 * comparison.top1.mean, number, "D", color=CHOSEN, markersize=6)
    several = len(results.confirmations) > 1
    axes.set_yticks(
        range(len(rows)),
        [
            clean(comparison.control.name) + (f", phi {phi:g}" if several else "")
            for phi, comparison in rows
        ],
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return figure


def describe(results: Results | ArchitectureResults) -> str:
    """List every comparison, and what may be claimed."""
    differences = "; ".join(
        f"{f'phi {phi:g}, ' if phi else ''}against {clean(comparison.control.name)}: "
        f"{100 * comparison.top1.mean:+.2f} points"
        for phi, comparison in _list_rows(results)
    )
    claims = " ".join(confirmation.claim for confirmation in results.confirmations)
    return f"Differences in top-1 on the test split. {differences}. {claims}"


def _list_rows(results: Results | ArchitectureResults) -> list[tuple[float, Comparison]]:
    """List every comparison with the phi of its networks."""
    return [
        (confirmation.phi, comparison)
        for confirmation in results.confirmations
        for comparison in confirmation.comparisons
    ]
