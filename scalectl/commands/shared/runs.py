"""Find the newest run, for commands that are given none."""

from pathlib import Path

from scalectl.errors import ScalectlError

RUNS = Path("runs")


def find_newest_or_none(*, of_grid: bool = False) -> Path | None:
    """Return the run under ./runs whose trials changed last; None where there is no run.

    `of_grid`: whether runs of nas, which hold no coefficients, are passed over.
    """
    runs = (path.parent for path in RUNS.glob("*/trials"))
    wanted = (run for run in runs if not (of_grid and (run / "nas.toml").exists()))
    return max(wanted, key=lambda run: (run / "trials").stat().st_mtime, default=None)


def find_newest() -> Path:
    """Return the run under ./runs whose trials changed last. Raises `ScalectlError` where there is none."""
    run = find_newest_or_none()
    if run is None:
        raise ScalectlError(
            "There is no run under ./runs.", "Run scalectl grid first, or name a run."
        )
    return run
