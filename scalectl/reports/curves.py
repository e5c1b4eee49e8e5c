"""How the log-loss fell, epoch by epoch."""

from collections.abc import Sequence
from statistics import fmean

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label
from scalectl.selection import Summary
from scalectl.trial import State

COLUMNS = (
    Column("candidate", "candidate"),
    Column("n", "seeds", "d"),
    Column("first", "first epoch", ".4f"),
    Column("last", "last epoch", ".4f"),
    Column("change", "in the last", "+.1%"),
    Column("curve", "log-loss by epoch"),
)


def tabulate(evidence: Evidence) -> Table:
    """The mean curve of each network over its seeds, lowest end first."""
    known = [(one, average(curves)) for one, curves in collect_curves(evidence)]
    return Table(
        name="curves",
        title="Learning curves on the select split",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": label(one.candidate),
                "n": one.n,
                "first": curve[0],
                "last": curve[-1],
                "change": curve[-1] / curve[-2] - 1 if len(curve) > 1 and curve[-2] else None,
                "curve": curve,
            }
            for one, curve in sorted(known, key=lambda pair: pair[1][-1])
        ),
        notes=("Each line runs from its own highest to its own lowest value.",),
    )


def collect_curves(evidence: Evidence) -> list[tuple[Summary, list[tuple[float, ...]]]]:
    """Each network that has any, and the curves of its finished trials, seed by seed."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for record in sorted(evidence.searched, key=lambda one: one.trial.seed):
        if record.state is State.DONE and record.curve:
            found.setdefault(record.trial.candidate.fingerprint, []).append(record.curve)
    return [
        (one, found[one.candidate.fingerprint])
        for one in evidence.summaries
        if one.candidate.fingerprint in found
    ]


def average(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Epoch by epoch, as far as all of them go."""
    if len(curves) == 1:
        return curves[0]
    return tuple(fmean(values) for values in zip(*curves, strict=False))
