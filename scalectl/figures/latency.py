"""Accuracy against measured time."""

from matplotlib.figure import Figure

from scalectl.evidence import Evidence
from scalectl.figures.frontier import draw_against
from scalectl.figures.style import say
from scalectl.selection import Summary

TITLE = "Accuracy against latency"
MISSING = (
    "No latency was measured: scalectl grid --set select.by=latency measures each network here."
)


def draw(evidence: Evidence) -> Figure | None:
    """One image at a time."""

    def milliseconds(summary: Summary) -> float | None:
        seconds = evidence.latencies.get(summary.candidate.fingerprint)
        return None if seconds is None else 1000 * seconds

    return draw_against(evidence, milliseconds, "milliseconds for one image")


def describe(evidence: Evidence) -> str:
    """The named networks, best first."""
    timed = [one for one in evidence.summaries if one.candidate.fingerprint in evidence.latencies]
    return f"Mean top-1 against the measured time of one image. {say(timed, evidence)}."
