"""The frontier of accuracy and cost: networks that no other beats in both."""

from scalectl.analysis.summaries import find_frontier
from scalectl.report.tables import Column, Table
from scalectl.search.results import Results

COLUMNS = (
    Column("candidate", "candidate"),
    Column("macs", "MACs", ",d"),
    Column("mean_top1", "top-1", ".2%"),
    Column("sd_top1", "sd", ".2%"),
    Column("activations", "activations", ",d"),
)


def tabulate(results: Results) -> Table:
    """List the networks that no other of at most their MACs beats, cheapest first."""
    known = [
        (summary.candidate.cost.macs, summary.mean_top1, summary)
        for summary in results.summaries
        if summary.mean_top1 is not None
    ]
    return Table(
        name="frontier",
        title="Frontier of accuracy and MACs",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": summary.candidate.name,
                "macs": macs,
                "mean_top1": top1,
                "sd_top1": summary.sd_top1,
                "activations": summary.candidate.cost.activations,
            }
            for macs, top1, summary in find_frontier(known)
        ),
        notes=("Differences smaller than the noise between seeds mean nothing.",),
    )
