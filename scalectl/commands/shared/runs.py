"""Find the newest run, for commands that are given none."""

from pathlib import Path

from scalectl.errors import ScalectlError

RUNS = Path("runs")


def find_newest_or_none() -> Path | None:
    """Return the run under ./runs whose trials changed last; None where there is no run."""
    newest = max(RUNS.glob("*/trials"), key=lambda path: path.stat().st_mtime, default=None)
    return newest.parent if newest else None


def find_newest() -> Path:
    """Return the run under ./runs whose trials changed last. Raises `ScalectlError` where there is none."""
    run = find_newest_or_none()
    if run is None:
        raise ScalectlError(
            "There is no run under ./runs.", "Run scalectl grid first, or name a run."
        )
    return run
