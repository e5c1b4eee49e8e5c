"""Brief trainings against longer ones of the same networks."""

from matplotlib.figure import Figure

from scalectl.report.figures.points import draw_points
from scalectl.report.figures.style import MUTED, new_axes
from scalectl.search.results import Results

TITLE = "Brief against longer trainings"
MISSING = (
    "No network was trained longer. Brief trainings may favour width: the coefficients hold for the "
    "recipe that they were found with. With --set fidelity.seeds=1, the command of the search checks it."
)


def draw(results: Results) -> Figure | None:
    """Draw top-1 after longer trainings against top-1 after brief ones, a point for each network."""
    fidelity = results.fidelity
    if not fidelity or not fidelity.pairs:
        return None
    figure, axes = new_axes(
        f"top-1 after {fidelity.epochs} epochs, %", f"top-1 after {fidelity.longer} epochs, %"
    )
    low, high = fidelity.interval
    axes.annotate(
        f"Kendall's tau {fidelity.tau:.2f} ({low:.2f} to {high:.2f})",
        (0.02, 0.98), xycoords="axes fraction", va="top", fontsize=8.5, color=MUTED,
    )  # fmt: skip
    points = [(100 * brief, 100 * longer, candidate) for candidate, brief, longer in fidelity.pairs]
    draw_points(axes, points, results)
    return figure


def describe(results: Results) -> str:
    fidelity = results.fidelity
    assert fidelity is not None
    return (
        f"Top-1 of {len(fidelity.pairs)} networks after {fidelity.epochs} epochs against that after "
        f"{fidelity.longer}: Kendall's tau {fidelity.tau:.2f}. {fidelity.note}"
    )
