"""What each choice of a search of architectures did to the objective."""

from statistics import fmean

from matplotlib.figure import Figure

from scalectl.report.architectures import find_importances, list_choices
from scalectl.report.figures.points import Label, label_near
from scalectl.report.figures.style import COMPOUND, PAPER, clean, new_axes
from scalectl.search.architectures.results import ArchitectureResults

TITLE = "What the choices that mattered most did"
MISSING = "Fewer than 10 networks have a finished training, too few to tell what choices did."

_MOST = 10
"""Dimensions that are drawn, the most important ones."""


def draw(results: ArchitectureResults) -> Figure | None:
    """Draw one row for each dimension: each choice at the mean objective of the networks that have it."""
    names = list(find_importances(results))[:_MOST]
    if not names:
        return None
    figure, axes = new_axes("mean objective of the networks with it", "", 0.9 + 0.45 * len(names))
    labels = []
    for row, name in enumerate(names):
        means = [(clean(choice), fmean(scores)) for choice, scores in list_choices(name, results)]
        places = [mean for _, mean in means]
        axes.plot(places, [row] * len(places), "o-", color=COMPOUND, markeredgecolor=PAPER, lw=1)
        labels += [Label(mean, row, choice) for choice, mean in means]
    axes.set_yticks(range(len(names)), map(clean, names))
    axes.set_ylim(len(names) - 0.5, -0.7)
    axes.grid(visible=False, axis="y")
    label_near(axes, labels, [(label.x, label.y) for label in labels], _ABOVE)
    return figure


_ABOVE = ((0, 12), (0, -12))
"""Where a choice may be written, in typographic points from its dot: beside it, it could be another's."""


def describe(results: ArchitectureResults) -> str:
    """List the dimensions, the most important first, with their best choices."""
    dimensions = []
    for name in list(find_importances(results))[:_MOST]:
        choice, scores = list_choices(name, results)[0]
        dimensions.append(f"{name}: {choice}, {fmean(scores):.3f}")
    return f"The choice with the highest mean objective in each dimension. {'; '.join(dimensions)}."
