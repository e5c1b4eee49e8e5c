"""What a run decided, in a small file beside its records, so that `scale` needs no more than that."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from scalectl import files
from scalectl.architecture import RoundingRule
from scalectl.errors import ScalectlError
from scalectl.factory import Baseline, from_dict
from scalectl.scaling import Coefficients

Status = Literal["identified", "not_identified", "no_eligible_winner"]

_FILE = "selection.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The coefficients that a search recommends, and what they belong to."""

    status: Status
    reason: str
    coefficients: Coefficients
    baseline: Baseline
    """At full size, with its own rounding of widths and resolutions."""
    rounding: RoundingRule
    """Of the search: sizes are rounded as the candidates were."""
    trials: tuple[str, ...]
    """Ids of the records that it rests on, sorted."""

    @property
    def scaled_baseline(self) -> Baseline:
        """The baseline as the search's rounding rule scales it."""
        return replace(self.baseline, rounding=replace(self.baseline.rounding, rule=self.rounding))


def write(verdict: Verdict, run: Path) -> None:
    """Put it beside the records."""
    content = json.dumps({"schema_version": 1, **asdict(verdict)}, indent=1)
    files.replace(run / _FILE, content.encode())


def read(run: Path) -> Verdict | None:
    """The verdict of a run, or None where it is missing, damaged or older than the records."""
    try:
        content = json.loads((run / _FILE).read_text())
        verdict = Verdict(
            status=content["status"],
            reason=content["reason"],
            coefficients=Coefficients(**content["coefficients"]),
            baseline=from_dict(content["baseline"]),
            rounding=content["rounding"],
            trials=tuple(content["trials"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ScalectlError):
        return None
    stored = tuple(sorted(path.stem for path in (run / "trials").glob("*.parquet")))
    return verdict if verdict.trials == stored else None
