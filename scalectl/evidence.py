"""What a run has to show: its records, what could not be read, and what they support."""

from dataclasses import dataclass
from pathlib import Path

from scalectl import contents
from scalectl.errors import ScalectlError
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
    """At least one; those of the search itself, on which all else rests, come first."""
    damaged: tuple[contents.Damaged, ...]
    summaries: tuple[Summary, ...]
    selection: Selection

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
    searched = [record for record in reading.records if record.trial.stage == "search"]
    return Evidence(
        name=path.name,
        files=files,
        records=tuple(sorted(reading.records, key=lambda one: one.trial.stage != "search")),
        damaged=reading.damaged,
        summaries=summarise(searched),
        selection=select(searched),
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
