"""A search at a glance: the verdict, the triangle, and the lead on each control at equal compute."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from scalectl.analysis.evidence import say_amount
from scalectl.analysis.selection import Selection
from scalectl.report.figures import triangle
from scalectl.report.figures.style import CHOSEN, MUTED, WIDTH, clean
from scalectl.report.prose import list_controls
from scalectl.search.results import Results

TITLE = "The search at a glance"
MISSING = (
    "No network has two seeds yet, so how much trainings differ by chance is not known: scalectl "
    "grid --seeds 2 shows it."
)


def draw(results: Results) -> Figure | None:
    """Draw the triangle, and beside it what the recommended network gains on each control."""
    selection = results.selection
    if not selection.standing:
        return None
    figure = Figure(figsize=(2 * WIDTH, 4.9))
    head, body = figure.subfigures(2, 1, squeeze=False, height_ratios=(0.6, 4.3)).ravel()
    _write_verdict(head, results)
    left, right = body.subfigures(1, 2)
    triangle.draw_in(left, results)
    _draw_leads(right.add_subplot(), selection)
    return figure


def describe(results: Results) -> str:
    leads = "; ".join(
        f"{standing.summary.candidate.control} {100 * standing.behind[0]:+.2f}"
        for standing in list_controls(results.selection)
    )
    return f"{_say_verdict(results.selection)}. {triangle.describe(results)} Lead on {leads}."


def _say_verdict(selection: Selection) -> str:
    status = selection.status.replace("_", " ").upper()
    return f"{status}: (alpha, beta, gamma) = {selection.recommended}"


def _write_verdict(head: SubFigure, results: Results) -> None:
    selection, trial = results.selection, results.records[0].trial
    standing, evidence = selection.standing, selection.evidence
    assert standing is not None
    assert evidence is not None
    rest = (
        f"{clean(trial.baseline.name)} on {clean(trial.data.name)}, {len(results.searched)} "
        f"trainings: within {say_amount(evidence.delta, evidence)} of the best of these networks "
        f"with a probability of {standing.chance_within:.0%}"
    )
    head.text(0.01, 0.85, _say_verdict(selection), fontsize=13, fontweight="bold", va="top")
    head.text(0.01, 0.05, rest, fontsize=9.5, color=MUTED, va="bottom")


def _draw_leads(axes: Axes, selection: Selection) -> None:
    """Draw a row for each control: the expected lead as a diamond, its 95 % interval as a line."""
    assert selection.evidence is not None
    rows = list_controls(selection)
    axes.set_title(
        "Its lead at equal compute, with 95 % intervals", fontsize=9.5, color=MUTED, loc="left"
    )
    axes.axvline(0, color=MUTED, lw=1)
    for number, standing in enumerate(rows):
        middle, low, high = (100 * part for part in standing.behind)
        axes.plot((low, high), (number, number), color=CHOSEN, lw=2, solid_capstyle="butt")
        axes.plot(middle, number, "D", color=CHOSEN, markersize=6)
    axes.set_yticks(range(len(rows)), [standing.summary.candidate.control for standing in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(selection.evidence.percent)
    axes.grid(visible=False, axis="y")
