"""What a run decided, in a small file beside its records, so that `scale` needs no more than that."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from scalectl.arch.factory import Baseline, parse_baseline
from scalectl.arch.rounding import RoundingRule
from scalectl.arch.scaling import Coefficients
from scalectl.errors import ScalectlError
from scalectl.store import atomic
from scalectl.store.checksum import add_checksum, verify_checksum

Status = Literal["identified", "not_identified", "no_eligible_winner"]

_FILE = "selection.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The coefficients that a search recommends, and what they belong to."""

    status: Status
    reason: str
    coefficients: Coefficients
    baseline: Baseline
    """At full size, with its own rounding of widths and resolutions."""
    rounding: RoundingRule
    """Of the search: sizes are rounded as the candidates were."""
    note: str = ""
    """What must be known wherever the coefficients go, such as that the data were a demo."""
    files: tuple[str, ...]
    """Names of the files of records that it rests on."""

    @property
    def scaled_baseline(self) -> Baseline:
        """The baseline as the search's rounding rule scales it."""
        return replace(self.baseline, rounding=replace(self.baseline.rounding, rule=self.rounding))


def write(verdict: Recommendation, run: Path) -> None:
    """Put it beside the records."""
    content = json.dumps({"schema_version": 1, **asdict(verdict)}, indent=1)
    path = run / _FILE
    atomic.replace(path, add_checksum(content.encode(), path.suffix))


def read(run: Path) -> Recommendation | None:
    """The verdict of a run, or None where it is missing, damaged or older than the records."""
    path = run / _FILE
    try:
        content = json.loads(verify_checksum(path.read_bytes(), path.suffix))
        verdict = Recommendation(
            status=content["status"],
            reason=content["reason"],
            coefficients=Coefficients(**content["coefficients"]),
            baseline=parse_baseline(content["baseline"]),
            rounding=content["rounding"],
            note=content.get("note", ""),
            files=tuple(content["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ScalectlError):
        return None
    return verdict if verdict.files == list_files(run) else None


def list_files(run: Path) -> tuple[str, ...]:
    """The names of a run's files of records. None of them ever changes its content."""
    folders = (run / "trials", run / "compact")
    return tuple(sorted(path.name for folder in folders for path in folder.glob("*.parquet")))
