"""What a run has to show: its records, what could not be read, and what they support."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scalectl import contents
from scalectl.comparison import Confirmation
from scalectl.errors import ScalectlError
from scalectl.fidelity import Fidelity
from scalectl.outlook import Outlook, look_ahead
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
    """At least one."""
    damaged: tuple[contents.Damaged, ...]
    summaries: tuple[Summary, ...]
    selection: Selection
    latencies: Mapping[str, float] = field(default_factory=dict)
    """Fingerprint -> seconds for one image; {} when not measured."""
    confirmations: tuple[Confirmation, ...] = ()
    fidelity: Fidelity | None = None
    outlook: Outlook | None = None
    """How much of the search is over; None where that is not known, as of a file of records."""

    @property
    def searched(self) -> tuple[Record, ...]:
        """The records that summaries and selection rest on."""
        return tuple(record for record in self.records if record.trial.stage == "search")

    @property
    def fingerprints(self) -> tuple[dict[str, str], ...]:
        """The different numeric environments of the records. More than one may give other last bits."""
        found = {tuple(sorted(one.environment.items())) for one in self.records if one.environment}
        return tuple(dict(one) for one in sorted(found))


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
    return Evidence(
        name=path.name,
        files=files,
        records=reading.records,
        damaged=reading.damaged,
        summaries=summarise(reading.records),
        selection=select(reading.records),
        outlook=look_ahead(path, reading.records),
    )


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
