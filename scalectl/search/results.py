"""Read a run, and work out what its records support: the choice, its confirmation, what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scalectl.analysis.confirmation import Confirmation, confirm
from scalectl.analysis.fidelity import Fidelity, compare_epochs
from scalectl.analysis.preference import Preference
from scalectl.analysis.recommendation import Recommendation, list_files
from scalectl.analysis.selection import Selection, select
from scalectl.analysis.summaries import Summary, summarise
from scalectl.arch.factory import Factory
from scalectl.arch.rounding import Spread
from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.errors import ScalectlError
from scalectl.search import latencies
from scalectl.search.candidates import explain_absent, shrink
from scalectl.search.config import Config
from scalectl.search.plan import limit_resolution
from scalectl.search.plan_file import Outlook, look_ahead
from scalectl.search.resume import find_settings
from scalectl.store import reader
from scalectl.trial import Record, list_environments


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The records of a run and all that is worked out from them; reports are made of nothing else."""

    name: str
    """Name of the run's folder or file."""
    files: tuple[str, ...]
    """Names of its files of records, listed before they were read."""
    records: tuple[Record, ...]
    """Records of any purpose, at least one; those of the search come first."""
    damaged: tuple[reader.DamagedFile, ...]
    summaries: tuple[Summary, ...]
    """Summaries of the search's networks, as the selection has them."""
    selection: Selection
    latencies: Mapping[str, float] = field(default_factory=dict)
    """Fingerprint -> seconds for one image, where they were measured."""
    confirmations: tuple[Confirmation, ...] = ()
    """One confirmation for each size that was tried."""
    fidelity: Fidelity | None = None
    outlook: Outlook | None = None
    """How much of the search is over; None where that is not known, as of a file of records."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Control -> why it has no network of its own, or which network it is; empty where not known."""
    max_deviation: float | None = None
    """How many doublings a candidate's counted cost may differ from the target; None where unknown, and
    where the formula alone is held to the target."""

    @property
    def searched(self) -> tuple[Record, ...]:
        """The records that the choice rests on."""
        return tuple(record for record in self.records if record.trial.purpose == "search")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the search."""
        return tuple(sorted({record.trial.seed for record in self.searched}))

    @property
    def lacks_trials(self) -> bool:
        """Whether trials that were decided on are missing; False where that is not known."""
        return bool(self.outlook and self.outlook.missing)

    @property
    def fingerprints(self) -> tuple[dict[str, str], ...]:
        """The different numeric environments of the records; several may mean different last bits."""
        return list_environments(self.records)


def read_results(path: Path) -> Results:
    """Read a run's folder or a .parquet file, and work out what it supports.

    Raises `ScalectlError` where there is none, or where it holds no readable record.
    """
    if (path / "nas.toml").exists():
        raise ScalectlError(
            f"{path} is a run of nas, which has a network and no coefficients.",
            f"Give it as --baseline {path}.",
        )
    files = list_files(path)
    reading = reader.read(path)
    if not reading.records:
        damage = f", and {len(reading.damaged)} that are damaged" if reading.damaged else ""
        raise ScalectlError(
            f"{path} holds no readable records yet{damage}.",
            "Run scalectl grid with the arguments that made it: it continues.",
            exit_code=3 if reading.damaged else 2,
        )
    searched = [record for record in reading.records if record.trial.purpose == "search"]
    measured = latencies.read(path)
    config = _read_config(path, reading.damaged)
    preference = config.select if config else Preference()
    selection = select(searched, preference, measured)
    return Results(
        name=path.name,
        files=files,
        records=tuple(sorted(reading.records, key=lambda record: record.trial.purpose != "search")),
        damaged=reading.damaged,
        summaries=summarise(searched),
        selection=selection,
        latencies=measured,
        confirmations=confirm(reading.records, *find_reference(config, selection)),
        fidelity=compare_epochs(reading.records),
        outlook=look_ahead(path, reading.records),
        absent=_explain_absent(config, searched) if config and searched else {},
        max_deviation=config.design.max_deviation
        if config and config.design.budget == "realised"
        else None,
    )


def find_reference(config: Config | None, selection: Selection) -> tuple[Coefficients, Spread]:
    """Find what all others are compared with in the confirmation: coefficients, and where blocks go."""
    if config and config.confirm.reference != "choice":
        return NAMED[config.confirm.reference], config.design.stages[0]
    return selection.recommended, selection.stages


def _read_config(run: Path, damaged: Sequence[reader.DamagedFile]) -> Config | None:
    """Read the run's grid file; None where there is none that this version can read."""
    try:
        return find_settings(Config, run, damaged)
    except ScalectlError:
        return None


def _explain_absent(config: Config, searched: Sequence[Record]) -> dict[str, str]:
    trial = searched[0].trial
    if isinstance(trial.baseline, Factory):
        return {}  # its code is not run to be read
    candidates = {record.trial.candidate.fingerprint: record.trial.candidate for record in searched}
    names = {name: candidate.name for name, candidate in candidates.items()}
    small = shrink(trial.baseline, config.proxy, trial.data.classes)
    return explain_absent(config.design, small, limit_resolution(config, trial.data), names)


def recommend(results: Results) -> Recommendation:
    """Return the part of the results that scaling needs."""
    trial = results.records[0].trial
    return Recommendation(
        status=results.selection.status,
        reason=results.selection.reason,
        coefficients=results.selection.recommended,
        baseline=trial.baseline,
        rounding=trial.candidate.architecture.rounding.rule,
        stages=results.selection.stages,
        note=trial.data.note,
        files=results.files,
    )
