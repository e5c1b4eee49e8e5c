"""The choice against its controls on fresh seeds and test images."""

from scalectl.analysis.confirmation import Comparison, Confirmation
from scalectl.report.tables import Column, Table
from scalectl.report.tables.candidates import name_candidate
from scalectl.search.results import Results

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
    Column("p_flips", "p (sign flips)", ".3g"),
    Column("seeds", "seeds", "d"),
)


def tabulate(results: Results) -> Table:
    """List every control at every size; no rows where nothing was confirmed."""
    confirmations = results.confirmations
    notes = [confirmation.claim for confirmation in confirmations]
    if not notes:
        notes = ["Nothing was confirmed; scalectl grid --set confirm.seeds=8 does."]
    return Table(
        name="confirmation",
        title="Confirmation: fresh seeds, test images that decided nothing",
        columns=COLUMNS,
        rows=tuple(
            _describe(confirmation, comparison)
            for confirmation in confirmations
            for comparison in confirmation.comparisons
        ),
        notes=(
            *notes,
            "Intervals and p: Student's t, two-sided, the error pooled over networks and seeds.",
        ),
    )


def _describe(confirmation: Confirmation, comparison: Comparison) -> dict[str, object]:
    low, high = comparison.interval or (None, None)
    return {
        "phi": confirmation.phi,
        "reference": name_candidate(confirmation.reference),
        "control": comparison.control.control,
        "realised_ratio": comparison.control.realised_ratio,
        "difference": comparison.mean,
        "low": low,
        "high": high,
        "p": comparison.p,
        "p_holm": comparison.p_holm,
        "p_flips": comparison.p_flips,
        "seeds": len(comparison.differences),
    }
