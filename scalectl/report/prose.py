"""The results of a search in sentences."""

import math
from collections.abc import Iterator, Sequence

from scalectl.analysis.confirmation import place
from scalectl.analysis.evidence import Evidence, say_amount
from scalectl.analysis.selection import Selection, Standing
from scalectl.analysis.summaries import Summary
from scalectl.report.render import pluralise
from scalectl.search.plan_file import Outlook
from scalectl.search.results import Results

_RUNGS = (
    "Brief trainings decided which networks were trained in full, and early ranks favour width "
    "(Bello et al. 2021)."
)


def in_brief(selection: Selection) -> str:
    """State the choice, what it may lose and how sure that is, in a sentence."""
    if selection.status == "no_eligible_winner":
        return "NO ELIGIBLE WINNER."
    status = selection.status.replace("_", " ").upper()
    text = f"{status}. Recommended: (alpha, beta, gamma) = {selection.recommended}"
    standing, evidence = selection.standing, selection.evidence
    if standing is None or evidence is None:
        return f"{text}."
    most = f"less than {say_amount(standing.bound, evidence)}" if standing.bound else "nothing"
    return (
        f"{text}. It is expected to lose {say_amount(standing.regret, evidence)} against the best of "
        f"these networks, and with a probability of 95 % {most}."
    )


def in_words(results: Results) -> str:
    """State the choice, its reason, how sure it is and what it rests on, in lines without a final break."""
    selection, trial = results.selection, results.records[0].trial
    lines = [f"{in_brief(selection)} {selection.reason}"]
    lines.extend(_warn_of_guessing(results))
    lines.extend(_compare_with_controls(selection))
    lines.extend(_compare_with_baseline(results))
    if selection.evidence:
        lines.append(_describe_evidence(selection.evidence))
    failed = sum(summary.failed for summary in results.summaries)
    lines.append(
        f"Trained: {trial.baseline.name} on {trial.data.name}, "
        f"{_count_networks(results.summaries)}, {pluralise(len(results.seeds), 'seed')}, "
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
        lines.append(f"Note: {_RUNGS}")
    if trial.data.note:
        lines.append(f"Note: {trial.data.note}.")
    return "\n".join(lines)


def _warn_of_guessing(results: Results) -> Iterator[str]:
    if is_chance(results):
        best, guess = _compare_with_guessing(results)
        yield (
            f"These trainings cannot tell: the highest top-1 is {best:.1%}, and always answering "
            f"the largest class has {guess:.1%}. Give more images, or more epochs."
        )


def is_chance(results: Results) -> bool:
    """Whether no network predicts better than one that never looks at an image."""
    best, guess = _compare_with_guessing(results)
    error = math.sqrt(guess * (1 - guess) / results.records[0].trial.data.sizes["select"])
    return best < guess + 2 * error


def _compare_with_guessing(results: Results) -> tuple[float, float]:
    """Return the highest top-1, 1 if there is none, and that of always answering the largest class."""
    data = results.records[0].trial.data
    scores = [each.mean_top1 for each in results.summaries if each.mean_top1 is not None]
    return max(scores, default=1.0), data.account.majority if data.account else 1 / data.classes


def _compare_with_controls(selection: Selection) -> Iterator[str]:
    """Say what the recommended network gains on each control, and what is not ruled out."""
    evidence = selection.evidence
    if evidence is None:
        return
    controls = list_controls(selection)
    ahead = [standing for standing in controls if standing.behind[0] >= 0]
    behind = [standing for standing in controls if standing.behind[0] < 0]
    gains = [f"ahead of {', of '.join(map(_say_gain, ahead))}"] if ahead else []
    gains += [f"behind {', '.join(map(_say_gain, behind))}"] if behind else []
    if gains:
        yield (
            f"At equal multiply-adds, in {evidence.percent} with 95 % intervals, it is "
            f"{'; '.join(gains)}."
        )
    open_ = [
        standing.summary.candidate.name
        for standing in selection.standings
        if not standing.is_ruled_out and standing.summary is not selection.network
    ]
    if open_:
        shown = ", ".join(open_[:_MOST_NAMES])
        more = f" and {len(open_) - _MOST_NAMES} more" if len(open_) > _MOST_NAMES else ""
        reach = say_amount(evidence.delta, evidence)
        yield f"Not ruled out, since they may be less than {reach} behind, or ahead: {shown}{more}."


_MOST_NAMES = 6


def list_controls(selection: Selection) -> list[Standing]:
    """List how the controls stand that are networks of their own, in their usual order."""
    controls = [
        standing
        for standing in selection.standings
        if standing.summary.candidate.control and standing.summary is not selection.network
    ]
    return sorted(controls, key=lambda standing: place(standing.summary.candidate))


def _say_gain(standing: Standing) -> str:
    """Write by how much the recommended network differs, such as "depth by 1.63 (0.62 to 2.89)"."""
    middle, *ends = (100 * part for part in standing.behind)
    sign = 1 if middle >= 0 else -1
    low, high = sorted(sign * end for end in ends)
    name = standing.summary.candidate.control
    return f"{name} by {sign * middle:.2f} ({low:.2f} to {high:.2f})"


def _compare_with_baseline(results: Results) -> Iterator[str]:
    """Say what the added compute brought, and where it brought nothing."""
    chosen, scores = results.selection.network, results.summaries
    baseline = next((each for each in scores if each.candidate.shares is None), None)
    if not (chosen and baseline and chosen.mean_top1 and baseline.mean_top1):
        return
    yield (
        f"The baseline, with half the multiply-adds, has a top-1 of {baseline.mean_top1:.2%}, the "
        f"recommended network {chosen.mean_top1:.2%}."
    )
    if below := count_below_baseline(results):
        yield (
            f"{pluralise(below, 'network')} with twice its multiply-adds {'is' if below == 1 else 'are'} "
            "below it: such brief trainings favour what learns fast. With --set fidelity.seeds=1, the "
            "command of the search trains some of them longer."
        )


def count_below_baseline(results: Results) -> int:
    """Count the networks that score less than the baseline, which has half of their multiply-adds."""
    scores = [each for each in results.summaries if each.mean_top1 is not None]
    least = min(
        (each.mean_top1 or 0.0 for each in scores if each.candidate.shares is None), default=0.0
    )
    return sum((each.mean_top1 or 0.0) < least for each in scores)


def _count_networks(summaries: Sequence[Summary]) -> str:
    scaled = sum(each.candidate.shares is not None for each in summaries)
    return f"{pluralise(scaled, 'network')}{' and the baseline' * (scaled < len(summaries))}"


def _describe_evidence(evidence: Evidence) -> str:
    """Say how noisy the trainings are against what the networks differ by."""
    noise = evidence.noise
    by = {"log_loss": "log-loss", "top1": "top-1"}[evidence.response]
    parts = [f"Networks are compared by {by}"]
    if evidence.worth and evidence.response == "log_loss":
        worth = evidence.worth
        # -log(loss) rises by log 2 where the loss is halved.
        halved, error = 69.3 * worth.slope, 69.3 * worth.error
        parts.append(f"where it is half, top-1 is {halved:.0f} +- {error:.0f} points higher")
    if noise.reliability is not None:
        part = 100 * (1 - noise.reliability)
        parts.append(f"{part:.0f} % of the variance of their means is noise between seeds")
    if evidence.agreement is not None:
        parts.append(f"the orders by log-loss and by top-1 correlate by {evidence.agreement:.2f}")
    return "; ".join(parts) + "."


def _say_what_is_missing(results: Results) -> Iterator[str]:
    """Compare with the plan; without one, say where networks are trained unequally often."""
    outlook = results.outlook
    if outlook is None:
        trials = [summary.n + summary.failed for summary in results.summaries]
        if len(set(trials)) > 1:
            yield (
                f"The networks have {min(trials)} to {pluralise(max(trials), 'training')} each, of an "
                "adaptive search or of an unfinished one."
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
