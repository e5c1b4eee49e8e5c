"""The choice against its controls on fresh seeds and test images."""

from collections.abc import Sequence

from scalectl.analysis.confirmation import Comparison, Confirmation
from scalectl.report.tables import Column, Table
from scalectl.search.results import Results

COLUMNS = (
    Column("phi", "phi", ".4g"),
    Column("reference", "reference"),
    Column("control", "control"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("difference", "top-1", "+.2%"),
    Column("low", "95 % from", "+.2%"),
    Column("high", "to", "+.2%"),
    Column("p", "p", ".3g"),
    Column("p_holm", "p (Holm)", ".3g"),
    Column("p_flips", "p (sign flips)", ".3g"),
    Column("loss", "log-loss", "+.1%"),
    Column("loss_low", "95 % from", "+.1%"),
    Column("loss_high", "to", "+.1%"),
    Column("loss_p_holm", "p (Holm)", ".3g"),
    Column("seeds", "seeds", "d"),
)


def tabulate(results: Results) -> Table:
    """List every control at every size; no rows where nothing was confirmed."""
    return tabulate_confirmations(
        results.confirmations, "Nothing was confirmed; scalectl grid --set confirm.seeds=8 does."
    )


def tabulate_confirmations(confirmations: Sequence[Confirmation], otherwise: str) -> Table:
    """List confirmations; `otherwise` is said where there are none."""
    notes = [confirmation.claim for confirmation in confirmations] or [otherwise]
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
            "top-1 and log-loss: reference - control, positive where the reference is better.",
            "Intervals and p: Student's t, two-sided, the error pooled over networks and seeds.",
        ),
    )


def _describe(confirmation: Confirmation, comparison: Comparison) -> dict[str, object]:
    top1, loss = comparison.top1, comparison.log_loss
    low, high = top1.interval or (None, None)
    loss_low, loss_high = (loss and loss.interval) or (None, None)
    return {
        "phi": confirmation.phi,
        "reference": confirmation.reference.name,
        "control": comparison.control.control,
        "realised_ratio": comparison.control.realised_ratio,
        "difference": top1.mean,
        "low": low,
        "high": high,
        "p": top1.p,
        "p_holm": top1.p_holm,
        "p_flips": top1.p_flips,
        "loss": loss and loss.mean,
        "loss_low": loss_low,
        "loss_high": loss_high,
        "loss_p_holm": loss and loss.p_holm,
        "seeds": len(top1.by_seed),
    }
