"""Accuracy against cost: what no other network beats in both."""

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
    by_cost = sorted(
        (one for one in evidence.summaries if one.mean_top1 is not None),
        key=lambda one: (one.candidate.cost.macs, -(one.mean_top1 or 0)),
    )
    frontier: list[Summary] = []
    for one in by_cost:
        if not frontier or (one.mean_top1 or 0) > (frontier[-1].mean_top1 or 0):
            frontier.append(one)
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
            for one in frontier
        ),
        notes=("Differences within the noise of the seeds mean nothing here.",),
    )
