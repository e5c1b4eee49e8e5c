"""Runs while they are searched: their evidence whenever a trial is over."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scalectl.errors import ScalectlError
from scalectl.evidence import Evidence, gather
from scalectl.verdict import list_files

_PAUSE = 1.0
"""Seconds between looks at a folder's names."""


def follow(runs: Sequence[Path]) -> Iterator[tuple[Evidence, ...]]:
    """What the runs hold, first as it is and then after each change, until all of it is over.

    A run of which no trial is over yet is left out. Raises `ScalectlError` for what is no run's
    folder.
    """
    for run in runs:
        if run.is_file():
            raise ScalectlError(
                f"{run} is a file, in which nothing changes.",
                "--watch follows the folder of a run.",
            )
    seen: list[tuple[str, ...]] = []
    while True:
        names = [list_files(run) for run in runs]
        if names != seen:
            seen = names
            found = tuple(one for run in runs if (one := _look(run)))
            yield found
            if len(found) == len(runs) and all(map(_is_over, found)):
                return
        time.sleep(_PAUSE)


def _look(run: Path) -> Evidence | None:
    has_begun = (run / "FORMAT.json").exists()
    try:
        return gather(run)
    except ScalectlError as problem:
        if not has_begun or problem.exit_code != 2:
            raise
        return None


def _is_over(evidence: Evidence) -> bool:
    outlook = evidence.outlook
    return outlook is not None and outlook.is_certain and not outlook.missing
