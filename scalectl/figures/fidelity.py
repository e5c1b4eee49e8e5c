"""Whether brief trainings rank as longer ones do."""

from matplotlib.figure import Figure

from scalectl.evidence import Evidence
from scalectl.figures.style import (
    COMPOUND,
    FAINT,
    MUTED,
    Label,
    clean,
    label_right,
    new_axes,
)
from scalectl.reports.candidates import label

TITLE = "Brief against longer trainings"
MISSING = (
    "No network was trained longer. Brief trainings may favour width: the coefficients hold for the "
    "recipe that they were found with. scalectl grid --set fidelity.seeds=1 checks it."
)


def draw(evidence: Evidence) -> Figure | None:
    """Equal ranks would rise from left to right."""
    found = evidence.fidelity
    if not found or not found.pairs:
        return None
    figure, axes = new_axes(
        f"top-1 after {found.epochs} epochs, %", f"top-1 after {found.longer} epochs, %"
    )
    labels = []
    for candidate, brief, longer in found.pairs:
        named = bool(candidate.control)
        colour = COMPOUND if named else FAINT
        axes.plot(100 * brief, 100 * longer, "o", color=colour, markersize=5)
        if named:
            labels.append(Label(100 * brief, 100 * longer, clean(label(candidate))))
    axes.annotate(
        f"Kendall's tau {found.tau:.2f} ({found.interval[0]:.2f} to {found.interval[1]:.2f})",
        (0.02, 0.98), xycoords="axes fraction", va="top", fontsize=8.5, color=MUTED,
    )  # fmt: skip
    label_right(axes, labels)
    return figure


def describe(evidence: Evidence) -> str:
    """How well the ranks agree."""
    found = evidence.fidelity
    assert found is not None
    return (
        f"Top-1 of {len(found.pairs)} networks after {found.epochs} epochs against that after "
        f"{found.longer}: Kendall's tau {found.tau:.2f}. {found.note}"
    )
