"""How noisy the trainings are against what the networks differ by."""

from scalectl.report.tables import Column, Table
from scalectl.search.results import Results

COLUMNS = (
    Column("response", "response"),
    Column("sd", "sd of a training", ".4f"),
    Column("spread", "sd of the networks", ".4f"),
    Column("reliability", "reliability", ".0%"),
    Column("networks_p", "p of no difference", ".2g"),
    Column("slope", "top-1 for 1", ".1%"),
    Column("error", "+-", ".1%"),
    Column("agreement", "orders correlate by", ".2f"),
)


def tabulate(results: Results) -> Table:
    """Compare the noise of trainings with the differences between networks, in one row.

    There is no row before two networks are trained.
    """
    evidence = results.selection.evidence
    rows: tuple[dict[str, object], ...] = ()
    if evidence:
        noise, worth = evidence.noise, evidence.worth
        rows = (
            {
                "response": {"log_loss": "-log(log-loss)", "top1": "top-1"}[evidence.response],
                "sd": noise.sd,
                "spread": noise.spread,
                "reliability": noise.reliability,
                "networks_p": noise.networks_p,
                "slope": worth and worth.slope,
                "error": worth and worth.error,
                "agreement": evidence.agreement,
            },
        )
    return Table(
        name="fit",
        title="Signal and noise",
        columns=COLUMNS,
        rows=rows,
        notes=(
            (
                "Standard deviations in units of the response, of one training and of the networks "
                "themselves. reliability: the part of the differences between the networks' means that "
                "is not noise; p of no difference: how often noise alone would bring as large ones."
            ),
            "top-1 for 1: what a unit of the response is worth, by the slope among the networks.",
        ),
    )
