"""The winner against the baseline and the best random network, on fresh seeds."""

from matplotlib.figure import Figure

from scalectl.report.figures.confirmation import (
    TITLE,
    describe_confirmations,
    draw_confirmations,
)
from scalectl.search.architectures.results import ArchitectureResults

__all__ = ["MISSING", "TITLE", "describe", "draw"]

MISSING = (
    "Nothing was confirmed yet. Until then the winner's top-1 is too high, since it was chosen for it. "
    "scalectl nas trains it against the baseline on fresh seeds, confirm_seeds of them, once all "
    "networks are trained; a baseline that is itself ahead needs no confirmation."
)


def draw(results: ArchitectureResults) -> Figure | None:
    """Draw one row for each network that the winner is compared with, at equal MACs."""
    return draw_confirmations(results.confirmations)


def describe(results: ArchitectureResults) -> str:
    """List every comparison, and what may be claimed."""
    return describe_confirmations(results.confirmations)
