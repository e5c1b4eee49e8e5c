"""The residuals of the fit."""

from matplotlib.figure import Figure

from scalectl.report.figures.style import COMPOUND, LINES, MUTED, new_axes
from scalectl.search.results import Results

TITLE = "Residuals of the fit"
MISSING = "There is no fit yet: it needs more networks than it has coefficients, seven at least."


def draw(results: Results) -> Figure | None:
    """Draw one point for each trial; the band is one residual sd."""
    fit = results.selection.fit
    if not fit or not fit.residuals:
        return None
    figure, axes = new_axes("fitted top-1, %", "measured - fitted, points")
    spread = 100 * fit.residual_sd
    axes.axhspan(-spread, spread, color=LINES, alpha=0.7, lw=0, zorder=0)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.plot(
        [100 * value for value in fit.fitted], [100 * value for value in fit.residuals],
        "o", color=COMPOUND, alpha=0.65, markersize=4, markeredgewidth=0,
    )  # fmt: skip
    axes.annotate(
        "one residual sd", (0.99, spread), xycoords=("axes fraction", "data"), ha="right",
        xytext=(0, -10), textcoords="offset points", fontsize=8.5, color=MUTED, zorder=0.5,
    )  # fmt: skip
    return figure


def describe(results: Results) -> str:
    """Say how large the residuals are."""
    fit = results.selection.fit
    assert fit is not None
    return (
        f"Residuals of {len(fit.residuals)} trials against fitted top-1: R2 {fit.r2:.2f}, residual "
        f"sd {100 * fit.residual_sd:.2f} points, the largest "
        f"{100 * max(map(abs, fit.residuals)):.2f}."
    )
