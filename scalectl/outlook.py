"""How much of a search is over: its plan, laid out anew from the grid file beside its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scalectl import strategies, validation
from scalectl.errors import ScalectlError
from scalectl.factory import Factory
from scalectl.grid import Grid
from scalectl.scaling import Coefficients
from scalectl.search import Plan, lay_out
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


def look_ahead(
    grid: Grid | None, records: Sequence[Record], chosen: Coefficients
) -> Outlook | None:
    """What is left of a run with that grid; None without one, and where it cannot be laid out.

    `chosen` is what would be confirmed. Where only Optuna, or the code of a factory, could say which
    candidates come, it is those seen so far.
    """
    if grid is None or not records:
        return None
    known = {record.trial.id: record for record in records}
    first = records[0].trial
    is_open = isinstance(first.baseline, Factory) or grid.strategy.kind == "optuna"
    try:
        if is_open:
            trials = _repeat(records, grid.seeds)
        else:  # the records know the images as well as the images themselves would
            plan = lay_out(grid, first.baseline, first.data)
            trials = [*_replay(plan, known), *validation.expect(plan, chosen)]
    except ScalectlError:
        return None
    return Outlook(
        planned=len(trials),
        missing=tuple(trial for trial in trials if trial.id not in known),
        is_certain=not is_open,
    )


def _repeat(records: Sequence[Record], seeds: int) -> list[Trial]:
    searched = [record.trial for record in records if record.trial.stage == "search"]
    seen = {trial.candidate.fingerprint: trial for trial in searched}
    return [replace(trial, seed=seed) for seed in range(seeds) for trial in seen.values()]


def _replay(plan: Plan, known: Mapping[str, Record]) -> list[Trial]:
    """What the strategy has asked for, up to the first round that is not over."""
    trials: list[Trial] = []
    for some in strategies.rounds(plan, lambda: known):
        trials += some
        if any(trial.id not in known for trial in some):
            break
    return trials
