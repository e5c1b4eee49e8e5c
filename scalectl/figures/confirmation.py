"""The choice against its controls on fresh seeds: differences with their intervals."""

from matplotlib.figure import Figure

from scalectl.evidence import Evidence
from scalectl.figures.style import CHOSEN, FAINT, HEIGHT, MUTED, clean, new_axes
from scalectl.reports.candidates import label

TITLE = "Confirmed on fresh seeds and untouched images"
MISSING = (
    "The choice was not confirmed yet. Until it is, its own top-1 flatters it: it was chosen for "
    "it. Fresh seeds on the test split say what remains: scalectl grid --set confirm.seeds=8."
)


def draw(evidence: Evidence) -> Figure | None:
    """Points are seeds, diamonds means, bars 95 % intervals."""
    rows = [(one, other) for one in evidence.confirmations for other in one.comparisons]
    if not rows:
        return None
    figure, axes = new_axes(
        "reference - control on the test split, points of top-1",
        "",
        max(HEIGHT / 2, 0.9 + 0.34 * len(rows)),
    )
    axes.axvline(0, color=MUTED, lw=1)
    for number, (_, other) in enumerate(rows):
        seeds = [100 * value for value in other.differences]
        axes.plot(seeds, [number] * len(seeds), "o", color=FAINT, markersize=3.5)
        if other.interval:
            ends = [100 * value for value in other.interval]
            axes.plot(ends, [number, number], color=CHOSEN, lw=2, solid_capstyle="butt")
        axes.plot(100 * other.mean, number, "D", color=CHOSEN, markersize=6)
    several = len({one.phi for one, _ in rows}) > 1
    axes.set_yticks(
        range(len(rows)),
        [
            clean(label(other.control)) + (f", phi {one.phi:g}" if several else "")
            for one, other in rows
        ],
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return figure


def describe(evidence: Evidence) -> str:
    """Every comparison, and what may be claimed."""
    words = [
        f"phi {one.phi:g}, against {clean(label(other.control))}: {100 * other.mean:+.2f} points"
        for one in evidence.confirmations
        for other in one.comparisons
    ]
    claims = " ".join(one.claim for one in evidence.confirmations)
    return f"Differences in top-1 on the test split. {'; '.join(words)}. {claims}"
