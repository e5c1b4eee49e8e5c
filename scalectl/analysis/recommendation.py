"""Keep what a run decided in a small file beside its records: `scale` reads no more than that."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scalectl.arch.factory import Baseline, parse_baseline
from scalectl.arch.rounding import RoundingRule, Spread
from scalectl.arch.scaling import Coefficients
from scalectl.store.json_file import read_json, write_json

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
    stages: Spread = "uniform"
    """How added blocks are spread over the stages."""
    note: str = ""
    """What must be known wherever the coefficients go, such as that the data were a demo."""
    files: tuple[str, ...]
    """Names of the files of records that it rests on."""

    @property
    def scaled_baseline(self) -> Baseline:
        """The baseline as the search's rounding rule scales it, with blocks added where it says."""
        rounding = replace(self.baseline.rounding, rule=self.rounding, stages=self.stages)
        return replace(self.baseline, rounding=rounding)


def write(recommendation: Recommendation, run: Path) -> None:
    """Put a recommendation beside the records. Raises `ScalectlError` where it cannot be written."""
    write_json(run / _FILE, {"schema_version": 1, **asdict(recommendation)})


def read(run: Path) -> Recommendation | None:
    """Read a run's recommendation; None where it is missing, damaged or older than the records."""
    recommendation = read_json(run / _FILE, _parse)
    if recommendation is None or recommendation.files != list_files(run):
        return None
    return recommendation


def _parse(content: dict[str, Any]) -> Recommendation:
    return Recommendation(
        status=content["status"],
        reason=content["reason"],
        coefficients=Coefficients(**content["coefficients"]),
        baseline=parse_baseline(content["baseline"]),
        rounding=content["rounding"],
        stages=content.get("stages", "uniform"),
        note=content.get("note", ""),
        files=tuple(content["files"]),
    )


def list_files(run: Path) -> tuple[str, ...]:
    """List the names of a run's files of records. None of them ever changes its content."""
    folders = (run / "trials", run / "compact")
    return tuple(sorted(path.name for folder in folders for path in folder.glob("*.parquet")))
