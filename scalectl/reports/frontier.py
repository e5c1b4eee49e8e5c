"""Accuracy against cost: what no other network beats in both."""

from collections.abc import Iterable

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label
from scalectl.selection import Summary

COLUMNS = (
    Column("candidate", "candidate"),
    Column("macs", "MACs", ",d"),
    Column("mean_top1", "top-1", ".2%"),
    Column("sd_top1", "sd", ".2%"),
    Column("activations", "activations", ",d"),
)


def tabulate(evidence: Evidence) -> Table:
    """The networks for which nothing with at most their MACs has a higher mean, cheapest first."""
    known = [
        (one.candidate.cost.macs, one.mean_top1, one)
        for one in evidence.summaries
        if one.mean_top1 is not None
    ]
    return Table(
        name="frontier",
        title="Frontier of accuracy and MACs",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": label(one.candidate),
                "macs": one.candidate.cost.macs,
                "mean_top1": one.mean_top1,
                "sd_top1": one.sd_top1,
                "activations": one.candidate.cost.activations,
            }
            for _, _, one in find_frontier(known)
        ),
        notes=("Differences within the noise of the seeds mean nothing here.",),
    )


Point = tuple[float, float, Summary]
"""What a network costs, how good it is, and the network."""


def find_frontier(points: Iterable[Point]) -> list[Point]:
    """Those that nothing as cheap beats, cheapest first."""
    frontier: list[Point] = []
    for one in sorted(points, key=lambda point: (point[0], -point[1])):
        if not frontier or one[1] > frontier[-1][1]:
            frontier.append(one)
    return frontier
