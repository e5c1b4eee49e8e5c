"""The finished trainings of each network, summed up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TypeVar

from scalectl.trial import Candidate, Record, State

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The finished trials of one candidate."""

    candidate: Candidate
    n: int
    """Number of seeds that finished (state "done")."""
    failed: int
    """Number of trials that did not."""
    mean_top1: float | None
    mean_balanced_top1: float | None
    """None where a record is of a version that did not measure it."""
    sd_top1: float | None
    """Over seeds, with n - 1; None below two."""
    mean_loss: float | None
    """Log-loss on the select split, in nats."""
    mean_train_top1: float | None
    mean_seconds: float | None
    macs_spent: int


def summarise(records: Sequence[Record]) -> tuple[Summary, ...]:
    """Make one summary for each network, in order of first appearance; the baseline is among them."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.trial.candidate.fingerprint, []).append(record)
    return tuple(_summarise(group) for group in groups.values())


def find_frontier(points: Iterable[tuple[float, float, T]]) -> list[tuple[float, float, T]]:
    """Keep the networks, after cost and accuracy, that none of at most their cost beats; cheapest first."""
    frontier: list[tuple[float, float, T]] = []
    for point in sorted(points, key=lambda point: (point[0], -point[1])):
        if not frontier or point[1] > frontier[-1][1]:
            frontier.append(point)
    return frontier


def _summarise(group: list[Record]) -> Summary:
    done = [record for record in group if record.state is State.DONE]

    def mean(name: str) -> float | None:
        values = [getattr(record, name) for record in done]
        return fmean(values) if values and None not in values else None

    return Summary(
        candidate=group[0].trial.candidate,
        n=len(done),
        failed=len(group) - len(done),
        mean_top1=mean("top1"),
        mean_balanced_top1=mean("balanced_top1"),
        sd_top1=stdev(record.top1 or 0.0 for record in done) if len(done) > 1 else None,
        mean_loss=mean("loss"),
        mean_train_top1=mean("train_top1"),
        mean_seconds=mean("seconds"),
        macs_spent=sum(record.macs_spent for record in group),
    )
