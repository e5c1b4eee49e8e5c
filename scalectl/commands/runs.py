"""Where runs are, if nobody says."""

from pathlib import Path

from scalectl.errors import ScalectlError

RUNS = Path("runs")


def find_newest_or_none() -> Path | None:
    """The run under ./runs that was written to last."""
    newest = max(RUNS.glob("*/trials"), key=lambda path: path.stat().st_mtime, default=None)
    return newest.parent if newest else None


def find_newest() -> Path:
    """The same. Raises `ScalectlError` where there is none."""
    run = find_newest_or_none()
    if run is None:
        raise ScalectlError(
            "There is no run under ./runs.", "Run scalectl grid first, or name a run."
        )
    return run
