"""The results of a search in sentences."""

from collections.abc import Iterator

from scalectl.report.render import pluralise
from scalectl.search.plan_file import Outlook
from scalectl.search.results import Results
from scalectl.search.strategies.halving import NOTE


def in_a_sentence(results: Results) -> str:
    """State the choice in a sentence."""
    selection = results.selection
    if selection.winner:
        return f"Winner: (alpha, beta, gamma) = {selection.recommended}."
    status = selection.status.replace("_", " ").upper()
    return f"{status}. Recommended: (alpha, beta, gamma) = {selection.recommended}."


def in_words(results: Results) -> str:
    """State the choice, its reason, how sure it is and what it rests on, in lines without a final break."""
    selection, trial = results.selection, results.records[0].trial
    lines = [f"{in_a_sentence(results)} {selection.reason}"]
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
            f"{area.fraction:.0%} of the triangle cannot be told from the best by more than "
            f"{100 * area.delta:.1f} points (95 % confidence): {ranges}."
        )
    if selection.fit:
        fit = selection.fit
        lines.append(
            f"Fit: {fit.order}, R2 {fit.r2:.2f}, residual sd {100 * fit.residual_sd:.2f} points, "
            f"p of the shares {fit.shares_p:.2g}."
        )
    failed = sum(summary.failed for summary in results.summaries)
    lines.append(
        f"Trained: {trial.baseline.name} on {trial.data.name}, "
        f"{pluralise(len(results.summaries), 'network')}, {pluralise(len(results.seeds), 'seed')}, "
        f"{pluralise(len(results.searched), 'trial')}; {failed or 'none'} failed."
    )
    lines += [f"Confirmation. {confirmation.claim}" for confirmation in results.confirmations]
    if results.fidelity:
        lines.append(f"Fidelity. {results.fidelity.note}")
    lines.extend(_say_what_is_missing(results))
    if len(results.fingerprints) > 1:
        lines.append(
            f"Note: the records come from {len(results.fingerprints)} kinds of machines or versions, "
            "whose results differ in their last bits; --json has them as fingerprints."
        )
    if any(record.trial.purpose == "rung" for record in results.records):
        lines.append(f"Note: {NOTE}")
    if trial.data.note:
        lines.append(f"Note: {trial.data.note}.")
    return "\n".join(lines)


def _say_what_is_missing(results: Results) -> Iterator[str]:
    """Compare with the plan; without one, with equal seeds for all networks."""
    outlook = results.outlook
    if outlook is None:
        trials = [summary.n + summary.failed for summary in results.summaries]
        most = max(trials, default=0)
        if fewer := sum(number < most for number in trials):
            has = "has" if fewer == 1 else "have"
            yield (
                f"Unfinished: {pluralise(fewer, 'network')} {has} fewer than "
                f"{pluralise(most, 'training')}."
            )
    elif outlook.missing:
        first = outlook.missing[0]
        yield (
            f"Unfinished: {count_trials(outlook)} trials are over; the next is "
            f"{first.name}, seed {first.seed}. The command that made it continues it."
        )


def count_trials(outlook: Outlook) -> str:
    """Write how many trials are over, such as "12 of 39"."""
    return f"{outlook.over} of {'' if outlook.is_complete else 'at least '}{outlook.planned}"
