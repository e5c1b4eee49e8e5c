"""The trials that gave no result, with their reasons."""

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label
from scalectl.trial import State

COLUMNS = (
    Column("candidate", "candidate"),
    Column("seed", "seed", "d"),
    Column("state", "state"),
    Column("error", "reason"),
)


def tabulate(evidence: Evidence) -> Table:
    """None of them is ranked."""
    failed = [record for record in evidence.records if record.state is not State.DONE]
    return Table(
        name="failures",
        title="Trials without a result",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": label(record.trial.candidate),
                "seed": record.trial.seed,
                "state": str(record.state),
                "error": record.error,
            }
            for record in failed
        ),
        notes=() if failed else ("Every trial that is over has a result.",),
    )
