"""The choice against its controls, on fresh seeds and untouched images."""

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label

COLUMNS = (
    Column("phi", "phi", "g"),
    Column("reference", "reference"),
    Column("control", "control"),
    Column("mean", "reference - control", "+.2%"),
    Column("low", "95 % from", "+.2%"),
    Column("high", "to", "+.2%"),
    Column("p", "p", ".3f"),
    Column("p_holm", "p (Holm)", ".3f"),
    Column("pairs", "seeds", "d"),
)


def tabulate(evidence: Evidence) -> Table:
    """One row for each comparison; the claims as notes."""
    return Table(
        name="confirmation",
        title="Confirmation on the test split",
        columns=COLUMNS,
        rows=tuple(
            {
                "phi": one.phi,
                "reference": label(one.reference),
                "control": label(comparison.control),
                "mean": comparison.mean,
                "low": comparison.interval and comparison.interval[0],
                "high": comparison.interval and comparison.interval[1],
                "p": comparison.p,
                "p_holm": comparison.p_holm,
                "pairs": len(comparison.differences),
            }
            for one in evidence.confirmations
            for comparison in one.comparisons
        ),
        notes=tuple(one.claim for one in evidence.confirmations)
        or ("The choice was not confirmed on fresh seeds yet.",),
    )
