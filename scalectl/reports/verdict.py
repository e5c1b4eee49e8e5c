"""What a search found, in a sentence or three."""

from collections.abc import Iterator

from scalectl.evidence import Evidence
from scalectl.outlook import Outlook
from scalectl.reports.candidates import label
from scalectl.strategies.halving import NOTE


def in_a_sentence(evidence: Evidence) -> str:
    """The choice."""
    selection = evidence.selection
    if selection.winner:
        return f"Winner: (alpha, beta, gamma) = {selection.recommended}."
    status = selection.status.replace("_", " ").upper()
    return f"{status}. Recommended: (alpha, beta, gamma) = {selection.recommended}."


def in_words(evidence: Evidence) -> str:
    """The choice, the reason, how sure, and on what it rests; lines without a final break."""
    selection, trial = evidence.selection, evidence.records[0].trial
    lines = [f"{in_a_sentence(evidence)} {selection.reason}"]
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
    lines.append(
        f"Of {trial.baseline.name} on {trial.data.name}: {len(evidence.summaries)} networks, "
        f"{len(evidence.seeds)} seeds, {len(evidence.searched)} records, {unfinished} of them without a result."
    )
    lines += [f"Confirmation. {one.claim}" for one in evidence.confirmations]
    if evidence.fidelity:
        lines.append(f"Fidelity. {evidence.fidelity.note}")
    lines.extend(_say_what_is_missing(evidence))
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


def _say_what_is_missing(evidence: Evidence) -> Iterator[str]:
    """Of the plan; where that is not known, of equal seeds for all."""
    outlook = evidence.outlook
    if outlook is None:
        most = max((one.n + one.failed for one in evidence.summaries), default=0)
        fewer = [one for one in evidence.summaries if one.n + one.failed < most]
        if fewer:
            yield f"Unfinished: {len(fewer)} networks have fewer than {most} trainings."
    elif outlook.missing:
        first = outlook.missing[0]
        yield (
            f"Unfinished: {count_trials(outlook)} trials are over; the next is "
            f"{label(first.candidate)}, seed {first.seed}. The command that made it continues it."
        )


def count_trials(outlook: Outlook) -> str:
    """As "12 of 39"."""
    return f"{outlook.over} of {'' if outlook.is_certain else 'at least '}{outlook.planned}"
