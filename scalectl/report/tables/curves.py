"""Learning curves: the log-loss after each epoch."""

from collections.abc import Sequence
from statistics import fmean

from scalectl.analysis.summaries import Summary
from scalectl.report.tables import Column, Table
from scalectl.search.results import Results
from scalectl.trial import State

COLUMNS = (
    Column("candidate", "candidate"),
    Column("n", "seeds", "d"),
    Column("first", "first epoch", ".4f"),
    Column("last", "last epoch", ".4f"),
    Column("change", "in the last", "+.1%"),
    Column("curve", "log-loss by epoch"),
)


def tabulate(results: Results) -> Table:
    """List the mean curve of each network over its seeds, the lowest last value first."""
    curves = [(summary, average(seeds)) for summary, seeds in collect_curves(results)]
    return Table(
        name="curves",
        title="Learning curves on the select split",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": summary.candidate.name,
                "n": summary.n,
                "first": curve[0],
                "last": curve[-1],
                "change": curve[-1] / curve[-2] - 1 if len(curve) > 1 and curve[-2] else None,
                "curve": curve,
            }
            for summary, curve in sorted(curves, key=lambda pair: pair[1][-1])
        ),
        notes=("Each line is scaled to its own highest and lowest value.",),
    )


def collect_curves(results: Results) -> list[tuple[Summary, list[tuple[float, ...]]]]:
    """Collect the curves of finished trials, seed by seed, for each network that has any."""
    curves: dict[str, list[tuple[float, ...]]] = {}
    for record in sorted(results.searched, key=lambda record: record.trial.seed):
        if record.state is State.DONE and record.curve:
            curves.setdefault(record.trial.candidate.fingerprint, []).append(record.curve)
    return [
        (summary, curves[summary.candidate.fingerprint])
        for summary in results.summaries
        if summary.candidate.fingerprint in curves
    ]


def average(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Average curves epoch by epoch, up to the end of the shortest."""
    return tuple(map(fmean, zip(*curves, strict=False)))
