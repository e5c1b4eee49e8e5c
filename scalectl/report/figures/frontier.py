"""Accuracy against multiply-adds, with the frontier."""

from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scalectl.analysis.summaries import Summary, find_frontier
from scalectl.report.figures.points import draw_points
from scalectl.report.figures.style import MUTED, count_up, describe_scores, find_marker, new_axes
from scalectl.search.results import Results

TITLE = "Accuracy against multiply-adds"
MISSING = "No network has a finished training yet: scalectl grid trains them."


def draw(results: Results) -> Figure | None:
    """Draw mean top-1 against MACs; bars are one sd over seeds."""
    return draw_against(results, lambda summary: summary.candidate.cost.macs, "MACs")


def describe(results: Results) -> str:
    return (
        "Mean top-1 against multiply-adds for one image; candidates have twice those of the "
        f"baseline. {describe_scores(results.summaries, results)}."
    )


def draw_against(
    results: Results, cost: Callable[[Summary], float | None], title: str
) -> Figure | None:
    """Draw mean top-1 against a cost, for the networks whose cost is known."""
    known = [
        (price, 100 * summary.mean_top1, summary)
        for summary in results.summaries
        if summary.mean_top1 is not None and (price := cost(summary)) is not None
    ]
    if not known:
        return None
    figure, axes = new_axes(title, "top-1 on the select split, %")
    for x, y, summary in known:
        marker = find_marker(summary.candidate, results)
        if marker.caption and summary.sd_top1 is not None:
            sd = 100 * summary.sd_top1
            axes.errorbar(x, y, sd, color=marker.colour, lw=1, alpha=0.5, zorder=2)
    steps = [(x, y) for x, y, _ in find_frontier(known)]
    end = max(x for x, *_ in known)
    axes.plot(
        *zip(*steps, (end, steps[-1][1]), strict=True),
        color=MUTED, lw=1, drawstyle="steps-post", zorder=1,
    )  # fmt: skip
    if len(steps) > 1:
        axes.annotate(
            "frontier", ((steps[0][0] + steps[1][0]) / 2, steps[0][1]), (0, 4),
            textcoords="offset points", fontsize=8.5, color=MUTED, ha="center",
        )  # fmt: skip
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(count_up)
    draw_points(axes, [(x, y, summary.candidate) for x, y, summary in known], results)
    return figure
