"""How much of a search is over: its plan, laid out anew from the grid file beside its records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scalectl.documents import load_grid
from scalectl.errors import ScalectlError
from scalectl.factory import Factory
from scalectl.search import lay_out
from scalectl.trial import Record, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The trials of a plan, and those of them of which there is no record yet."""

    planned: int
    missing: tuple[Trial, ...]
    """In the order in which they are trained."""
    is_certain: bool = True
    """False where only the candidates seen so far are known: then there may be more."""

    @property
    def over(self) -> int:
        """How many ended or failed."""
        return self.planned - len(self.missing)


def look_ahead(run: Path, records: Sequence[Record]) -> Outlook | None:
    """What is left of a run; None of a file of records, and where the grid file is missing or damaged.

    Candidates of a factory are those seen so far: to enumerate them its code would have to run.
    """
    if not (run / "grid.toml").is_file() or not records:
        return None
    known = {record.trial.id for record in records}
    first = records[0].trial
    try:
        grid = load_grid(run / "grid.toml")
        if isinstance(first.baseline, Factory):
            seen = {record.trial.candidate.fingerprint: record.trial for record in records}
            trials = [
                replace(trial, seed=seed, stage="search")
                for seed in range(grid.seeds)
                for trial in seen.values()
            ]
        else:  # the records know the images as well as the images themselves would
            trials = list(lay_out(grid, first.baseline, first.data).trials)
    except ScalectlError:
        return None
    return Outlook(
        planned=len(trials),
        missing=tuple(trial for trial in trials if trial.id not in known),
        is_certain=not isinstance(first.baseline, Factory),
    )
