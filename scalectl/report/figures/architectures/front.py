"""Accuracy against cost of all networks of a search of architectures, with their front."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from scalectl.report.figures.style import (
    CHOSEN,
    COMPOUND,
    FAINT,
    HIGHEST,
    MUTED,
    PAPER,
    SINGLE,
    count_up,
    new_axes,
)
from scalectl.report.render import pluralise
from scalectl.search.architectures.results import ArchitectureResults, Network

TITLE = "Accuracy against cost"
MISSING = "No network has a finished training yet: scalectl nas trains them."

_COLOURS = {"random": FAINT, "tpe": COMPOUND, "nsga2": SINGLE, "start": HIGHEST}
"""By who proposed a network; the baseline is drawn over all others."""


def draw(results: ArchitectureResults) -> Figure | None:
    """Draw each network by its proposer, the winner as a star, the front, and what the objective asks."""
    winner = results.winner
    if winner is None:
        return None
    cost = "MACs" if winner.seconds is None else "milliseconds for one image"
    figure, axes = new_axes(f"{cost}, at full size", "top-1 of its proxy, %", 4.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(count_up)
    axes.grid(visible=False, axis="x")
    for proposer, colour in _COLOURS.items():
        group = [_place(network) for network in results.networks if network.proposer == proposer]
        if group:
            axes.plot(
                *zip(*group, strict=True), "o", color=colour, markersize=6, markeredgecolor=PAPER,
                markeredgewidth=0.6, zorder=3, label=name_proposer(proposer),
            )  # fmt: skip
    axes.plot(
        *_place(winner), "*", color=CHOSEN, markersize=13, markeredgecolor=PAPER,
        markeredgewidth=0.6, zorder=5, label="winner",
    )  # fmt: skip
    _draw_front(axes, results)
    _draw_objective(axes, winner, results)
    figure.legend(loc="outside lower center", ncols=4, borderpad=0, handletextpad=0.4)
    return figure


def describe(results: ArchitectureResults) -> str:
    """Say what is drawn, and list the front, cheapest first."""
    front = "; ".join(
        f"{_say_cost(network)} {network.top1:.1%}, {name_proposer(network.proposer)}"
        for network in results.front
    )
    return (
        f"Top-1 of a proxy against the cost of its network at full size, for "
        f"{pluralise(len(results.networks), 'network')}. The front, cheapest first: {front}."
    )


def name_proposer(proposer: str) -> str:
    """Write who proposed a network; the one from which the search starts is the baseline."""
    return "baseline" if proposer == "start" else proposer


def _say_cost(network: Network) -> str:
    if network.seconds is None:
        return f"{count_up(network.macs)} MACs"
    return f"{1000 * network.seconds:.3g} ms"


def _place(network: Network) -> tuple[float, float]:
    """Return where a network is drawn: MACs, or milliseconds; and top-1 in per cent."""
    cost = network.macs if network.seconds is None else 1000 * network.seconds
    return cost, 100 * network.top1


def _draw_front(axes: Axes, results: ArchitectureResults) -> None:
    """Draw the highest top-1 for at most so much."""
    steps = [_place(network) for network in results.front]
    end = max(_place(network)[0] for network in results.networks)
    axes.plot(
        *zip(*steps, (end, steps[-1][1]), strict=True),
        color=MUTED, lw=1, drawstyle="steps-post", label="front", zorder=1,
    )  # fmt: skip


def _draw_objective(axes: Axes, winner: Network, results: ArchitectureResults) -> None:
    """Draw the top-1 at which a network is as good as the winner, for all costs."""
    costs = [_place(network)[0] for network in results.networks]
    cost, top1 = _place(winner)
    grid = np.geomspace(min(costs), max(costs))
    equal = top1 * (grid / cost) ** -results.config.objective.exponent
    axes.plot(grid, equal, color=CHOSEN, lw=1, ls=":", label="objective of the winner", zorder=1)
