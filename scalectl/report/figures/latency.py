"""Accuracy against measured time."""

from matplotlib.figure import Figure

from scalectl.analysis.summaries import Summary
from scalectl.report.figures.frontier import draw_against
from scalectl.report.figures.style import describe_scores
from scalectl.search.results import Results

TITLE = "Accuracy against latency"
MISSING = (
    "No latency was measured: scalectl grid --set select.by=latency measures each network here."
)


def draw(results: Results) -> Figure | None:
    """Draw mean top-1 against the time for a single image; bars are one sd over seeds."""

    def find_milliseconds(summary: Summary) -> float | None:
        seconds = results.latencies.get(summary.candidate.fingerprint)
        return None if seconds is None else 1000 * seconds

    return draw_against(results, find_milliseconds, "milliseconds for one image")


def describe(results: Results) -> str:
    timed = [
        summary
        for summary in results.summaries
        if summary.candidate.fingerprint in results.latencies
    ]
    return f"Mean top-1 against the measured time of one image. {describe_scores(timed, results)}."
