"""What is left of each training's response after its network and its seed."""

from matplotlib.figure import Figure

from scalectl.analysis.response import Noise
from scalectl.report.figures.style import COMPOUND, LINES, MUTED, new_axes
from scalectl.search.results import Results

TITLE = "The noise of the trainings"
MISSING = "How noisy trainings are is not known yet: it needs networks with two seeds or more."


def draw(results: Results) -> Figure | None:
    """Draw residuals of the response against fitted values; the band is one standard deviation."""
    noise = _find_noise(results)
    if noise is None or noise.sd is None:
        return None
    figure, axes = new_axes("network and seed, fitted response", "measured - fitted")
    spread = noise.sd
    axes.axhspan(-spread, spread, color=LINES, alpha=0.7, lw=0, zorder=0)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.plot(
        noise.fitted, noise.residuals, "o", color=COMPOUND, alpha=0.65, markersize=4, markeredgewidth=0,
    )  # fmt: skip
    axes.annotate(
        "one sd of a training", (0.99, spread), xycoords=("axes fraction", "data"), ha="right",
        xytext=(0, -10), textcoords="offset points", fontsize=8.5, color=MUTED, zorder=0.5,
    )  # fmt: skip
    return figure


def describe(results: Results) -> str:
    noise = _find_noise(results)
    assert noise is not None
    return (
        f"Residuals of {len(noise.residuals)} trials against what their network and seed explain: sd of "
        f"a training {noise.sd:.3g}, the largest {max(map(abs, noise.residuals)):.3g}."
    )


def _find_noise(results: Results) -> Noise | None:
    evidence = results.selection.evidence
    return evidence.noise if evidence else None
