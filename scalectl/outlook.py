"""How much of a search is over: its plan, laid out anew from the grid file beside its records."""

from collections.abc import Sequence
from dataclasses import dataclass
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

    @property
    def over(self) -> int:
        """How many ended or failed."""
        return self.planned - len(self.missing)


def look_ahead(run: Path, records: Sequence[Record]) -> Outlook | None:
    """What is left of a run.

    None where that cannot be known: of a file of records, where the grid file is missing or damaged,
    and of a factory, whose code would have to be run.
    """
    if not (run / "grid.toml").is_file() or not records:
        return None
    trial = records[0].trial
    if isinstance(trial.baseline, Factory):
        return None
    try:
        # The records know the images as well as the images themselves would.
        plan = lay_out(load_grid(run / "grid.toml"), trial.baseline, trial.data)
    except ScalectlError:
        return None
    known = {record.trial.id for record in records}
    missing = tuple(trial for trial in plan.trials if trial.id not in known)
    return Outlook(planned=len(plan.trials), missing=missing)
