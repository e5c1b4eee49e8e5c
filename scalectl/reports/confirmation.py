"""The choice against its controls on fresh seeds and test images."""

from scalectl.comparison import Comparison, Confirmation
from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label

COLUMNS = (
    Column("phi", "phi", ".4g"),
    Column("reference", "reference"),
    Column("control", "control"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("difference", "reference - control", "+.2%"),
    Column("low", "95 % from", "+.2%"),
    Column("high", "to", "+.2%"),
    Column("p", "p", ".3g"),
    Column("p_holm", "p (Holm)", ".3g"),
    Column("seeds", "seeds", "d"),
)


def tabulate(evidence: Evidence) -> Table:
    """Every control at every size; no rows where nothing was confirmed."""
    confirmations = evidence.confirmations
    notes = [one.claim for one in confirmations]
    if not notes:
        notes = ["Nothing was confirmed; scalectl grid --set confirm.seeds=8 does."]
    return Table(
        name="confirmation",
        title="Confirmation: fresh seeds, test images that decided nothing",
        columns=COLUMNS,
        rows=tuple(_compare(one, each) for one in confirmations for each in one.comparisons),
        notes=(*notes, "Intervals: BCa bootstrap. p: sign flips, two-sided."),
    )


def _compare(confirmation: Confirmation, one: Comparison) -> dict[str, object]:
    low, high = one.interval or (None, None)
    return {
        "phi": confirmation.phi,
        "reference": label(confirmation.reference),
        "control": one.control.control,
        "realised_ratio": one.control.realised_ratio,
        "difference": one.mean,
        "low": low,
        "high": high,
        "p": one.p,
        "p_holm": one.p_holm,
        "seeds": len(one.differences),
    }
