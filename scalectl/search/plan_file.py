"""Keep the trials that a search has decided on in a file, from which a report subtracts records."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scalectl.store.json_file import read_json, write_json
from scalectl.trial import Record, Trial

_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial:
    """A trial that will be trained, with the names under which a report shows it."""

    trial_id: str
    fingerprint: str
    """The network's fingerprint."""
    name: str
    """The control's name, else the coefficients."""
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """The trials decided on so far, in the order in which they are trained."""

    trials: tuple[PlannedTrial, ...] = ()
    is_complete: bool = False
    """Whether no further trials will be added, unless a command asks for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How much of a search is over, and what is missing."""

    planned: int
    """Trials decided on so far."""
    missing: tuple[PlannedTrial, ...]
    """Those without a record, in the order in which they are trained."""
    is_complete: bool
    """Whether no further trials will be added."""

    @property
    def over(self) -> int:
        """Number of trials that ended or failed."""
        return self.planned - len(self.missing)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train, now or later."""
        return self.is_complete and not self.missing


def add(run: Path, trials: Iterable[Trial], *, is_complete: bool) -> None:
    """Note in the run that these trials will be trained, beside those noted before.

    Several commands may add at once: what one of them overwrites, it adds again with its next round.
    Raises `ScalectlError` where the run cannot be written.
    """
    before = read(run) or PlanFile()
    known = {planned.trial_id: planned for planned in before.trials}
    added = {trial.id: _describe(trial) for trial in trials if trial.id not in known}
    after = PlanFile(trials=(*known.values(), *added.values()), is_complete=is_complete)
    if after != before:
        write(run, after)


def write(run: Path, plan: PlanFile) -> None:
    """Put the file in the place of an older one. Raises `ScalectlError` where it cannot be written."""
    write_json(run / _FILE, {"schema_version": 1, **asdict(plan)})


def read(run: Path) -> PlanFile | None:
    """Read the file of a run; None where there is none, as in stores of 0.1, or it is damaged."""
    return read_json(run / _FILE, _parse)


def _parse(content: dict[str, Any]) -> PlanFile:
    trials = tuple(PlannedTrial(**planned) for planned in content["trials"])
    return PlanFile(trials=trials, is_complete=content["is_complete"])


def look_ahead(run: Path, records: Iterable[Record]) -> Outlook | None:
    """Work out what is left of a run, given its records; None where that is not known."""
    plan = read(run)
    if plan is None:
        return None
    ended = {record.trial.id for record in records}
    missing = tuple(planned for planned in plan.trials if planned.trial_id not in ended)
    return Outlook(
        planned=len(ended | {planned.trial_id for planned in plan.trials}),
        missing=missing,
        is_complete=plan.is_complete,
    )


def unite(runs: Iterable[Path], target: Path) -> None:
    """Write the trials of several runs' files into the target's. Raises as `write` does."""
    plans = [plan for run in (target, *runs) if (plan := read(run))]
    trials = {planned.trial_id: planned for plan in plans for planned in plan.trials}
    if trials:
        is_complete = all(plan.is_complete for plan in plans)
        write(target, PlanFile(trials=tuple(trials.values()), is_complete=is_complete))


def _describe(trial: Trial) -> PlannedTrial:
    candidate = trial.candidate
    return PlannedTrial(
        trial_id=trial.id,
        fingerprint=candidate.fingerprint,
        name=candidate.name,
        seed=trial.seed,
    )
