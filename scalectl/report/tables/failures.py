"""The trials that ended without a result, with their reasons."""

from scalectl.report.tables import Column, Table
from scalectl.search.results import Results
from scalectl.trial import State

COLUMNS = (
    Column("candidate", "candidate"),
    Column("seed", "seed", "d"),
    Column("state", "state"),
    Column("error", "reason"),
)


def tabulate(results: Results) -> Table:
    """List the trials that failed; none of them is ranked."""
    failed = [record for record in results.records if record.state is not State.DONE]
    return Table(
        name="failures",
        title="Trials without a result",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": record.trial.candidate.name,
                "seed": record.trial.seed,
                "state": str(record.state),
                "error": record.error,
            }
            for record in failed
        ),
        notes=() if failed else ("Every trial that ended has a result.",),
    )
