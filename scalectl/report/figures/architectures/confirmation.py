"""The winner against the baseline and the best random network, on fresh seeds."""

from scalectl.report.figures.confirmation import TITLE, describe, draw

__all__ = ["MISSING", "TITLE", "describe", "draw"]

MISSING = (
    "Nothing was confirmed yet. Until then the winner's top-1 is too high, since it was chosen for it. "
    "scalectl nas trains it against the baseline on fresh seeds, confirm_seeds of them, once all "
    "networks are trained; a baseline that is itself ahead needs no confirmation."
)
