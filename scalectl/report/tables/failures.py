"""The trials that ended without a result, with their reasons."""

from collections.abc import Callable, Iterable

from scalectl.report.tables import Column, Table
from scalectl.search.results import Results
from scalectl.trial import Record, State, Trial

COLUMNS = (
    Column("candidate", "candidate"),
    Column("seed", "seed", "d"),
    Column("state", "state"),
    Column("error", "reason"),
)


def tabulate(results: Results) -> Table:
    """List the trials that failed; none of them is ranked."""
    return tabulate_failures(results.records, lambda trial: trial.candidate.name)


def tabulate_failures(records: Iterable[Record], name: Callable[[Trial], str]) -> Table:
    """List the records without a result; `name` writes which network a trial is of."""
    failed = [record for record in records if record.state is not State.DONE]
    return Table(
        name="failures",
        title="Trials without a result",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": name(record.trial),
                "seed": record.trial.seed,
                "state": str(record.state),
                "error": record.error,
            }
            for record in failed
        ),
        notes=() if failed else ("Every trial that ended has a result.",),
    )
