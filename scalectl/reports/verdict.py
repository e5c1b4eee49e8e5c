"""What a search found, in a sentence or three."""

from scalectl.evidence import Evidence
from scalectl.strategies.halving import NOTE


def in_words(evidence: Evidence) -> str:
    """The choice, the reason, how sure, and on what it rests; lines without a final break."""
    selection, trial = evidence.selection, evidence.searched[0].trial
    if selection.winner:
        head = f"Winner: (alpha, beta, gamma) = {selection.recommended}."
    else:
        status = selection.status.replace("_", " ").upper()
        head = f"{status}. Recommended: (alpha, beta, gamma) = {selection.recommended}."
    lines = [f"{head} {selection.reason}"]
    if selection.indifference:
        area = selection.indifference
        ranges = ", ".join(
            f"{name} {low:.2f}-{high:.2f}"
            for name, (low, high) in (
                ("alpha", area.alpha),
                ("beta", area.beta),
                ("gamma", area.gamma),
            )
        )
        lines.append(
            f"Not to be told from the best by more than {100 * area.delta:.1f} points (95 %): "
            f"{area.fraction:.0%} of the triangle, {ranges}."
        )
    if selection.fit:
        fit = selection.fit
        lines.append(
            f"Fit: {fit.order}, R2 {fit.r2:.2f}, residual sd {100 * fit.residual_sd:.2f} points, "
            f"p of the shares {fit.shares_p:.2g}."
        )
    unfinished = sum(summary.failed for summary in evidence.summaries)
    seeds = len({record.trial.seed for record in evidence.searched})
    lines.append(
        f"Of {trial.baseline.name} on {trial.data.name}: {len(evidence.summaries)} networks, "
        f"{seeds} seeds, {len(evidence.searched)} records, {unfinished} of them without a result."
    )
    if len(evidence.fingerprints) > 1:
        lines.append(
            f"Note: the records come from {len(evidence.fingerprints)} kinds of machines or versions, "
            "whose results differ in their last bits; --json has them as fingerprints."
        )
    if any(record.trial.stage == "rung" for record in evidence.records):
        lines.append(f"Note: {NOTE}")
    if trial.data.note:
        lines.append(f"Note: {trial.data.note}.")
    return "\n".join(lines)
