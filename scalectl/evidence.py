"""What a run has to show: its records, what could not be read, and what they support."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scalectl import contents, latencies
from scalectl.collector import uncollected
from scalectl.comparison import Confirmation, confirm
from scalectl.errors import ScalectlError
from scalectl.fidelity import Fidelity, compare_epochs
from scalectl.grid import Grid, Preference
from scalectl.outlook import Outlook, look_ahead
from scalectl.search import read_grid
from scalectl.selection import Selection, Summary, select, summarise
from scalectl.trial import Record
from scalectl.verdict import Verdict, list_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that reports are made of."""

    name: str
    """Of the run's folder or file."""
    files: tuple[str, ...]
    """The names of its files of records, as they were before they were read."""
    records: tuple[Record, ...]
    """At least one, of any stage; those of the search come first."""
    damaged: tuple[contents.Damaged, ...]
    summaries: tuple[Summary, ...]
    """Of the search alone, as the selection."""
    selection: Selection
    latencies: Mapping[str, float] = field(default_factory=dict)
    """Fingerprint -> seconds for one image, where they were measured."""
    confirmations: tuple[Confirmation, ...] = ()
    """At phi = 1, and at 2 and 3 where extrapolation was tried."""
    fidelity: Fidelity | None = None
    outlook: Outlook | None = None
    """How much of the search is over; None where that is not known, as of a file of records."""

    @property
    def searched(self) -> tuple[Record, ...]:
        """The records that the choice rests on."""
        return tuple(one for one in self.records if one.trial.stage == "search")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the search."""
        return tuple(sorted({one.trial.seed for one in self.searched}))

    @property
    def fingerprints(self) -> tuple[dict[str, str], ...]:
        """The different numeric environments of the records. More than one may give other last bits."""
        found = {tuple(sorted(one.environment.items())) for one in self.records if one.environment}
        return tuple(dict(one) for one in sorted(found))


@uncollected()
def gather(path: Path) -> Evidence:
    """Read a run's folder or a .parquet file.

    Raises `ScalectlError` where there is none, or where it holds no readable record.
    """
    files = list_files(path)
    reading = contents.read(path)
    if not reading.records:
        damage = f", and {len(reading.damaged)} that are damaged" if reading.damaged else ""
        raise ScalectlError(
            f"{path} holds no readable records yet{damage}.",
            "Run scalectl grid with the arguments that made it: it continues.",
            exit_code=3 if reading.damaged else 2,
        )
    searched = [one for one in reading.records if one.trial.stage == "search"]
    measured = latencies.read(path)
    grid = _read_grid(path, reading.damaged)
    preference = grid.select if grid else Preference()
    if not {one.trial.candidate.fingerprint for one in searched} <= measured.keys():
        preference = _without_latency(preference)
    selection = select(searched, preference, measured)
    return Evidence(
        name=path.name,
        files=files,
        records=tuple(sorted(reading.records, key=lambda one: one.trial.stage != "search")),
        damaged=reading.damaged,
        summaries=summarise(searched),
        selection=selection,
        latencies=measured,
        confirmations=confirm(reading.records, selection.recommended),
        fidelity=compare_epochs(reading.records),
        outlook=look_ahead(grid, reading.records, selection.recommended),
    )


def _read_grid(run: Path, damaged: Sequence[contents.Damaged]) -> Grid | None:
    """None too for records without a run, and where this version cannot read it."""
    try:
        return read_grid(run, damaged)
    except ScalectlError:
        return None


def _without_latency(preference: Preference) -> Preference:
    """Where not all of it has been measured, nobody is the fastest."""
    return replace(preference, by="activations") if preference.by == "latency" else preference


def conclude(evidence: Evidence) -> Verdict:
    """The part of it that scaling needs."""
    trial = evidence.records[0].trial
    return Verdict(
        status=evidence.selection.status,
        reason=evidence.selection.reason,
        coefficients=evidence.selection.recommended,
        baseline=trial.baseline,
        rounding=trial.candidate.architecture.rounding.rule,
        files=evidence.files,
    )
