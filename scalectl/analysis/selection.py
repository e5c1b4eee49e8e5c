"""From records to a recommendation: the network with the least expected regret, and how sure that is.

docs/method.md, section 4.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scalectl.analysis.evidence import (
    CONFIDENCE,
    Evidence,
    Judgement,
    judge,
    list_trained,
    say_amount,
)
from scalectl.analysis.posterior import Floats
from scalectl.analysis.preference import Preference
from scalectl.analysis.recommendation import Status
from scalectl.analysis.summaries import Summary, summarise
from scalectl.analysis.surface import Place, draw_surface
from scalectl.arch.rounding import Spread
from scalectl.arch.scaling import NAMED, Coefficients, Shares
from scalectl.trial import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the trainings say of one network; regrets are losses against the best of the networks."""

    summary: Summary
    regret: float
    """Expected regret."""
    bound: float
    """The regret is below this with a probability of 95 %."""
    chance_best: float
    """P that no other network is better."""
    chance_within: float
    """P that the regret is at most delta."""
    behind: tuple[float, float, float]
    """How far it is behind the recommended network: expected, and from where to where at 95 %."""
    is_ruled_out: bool
    """Whether all of that interval lies beyond delta."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the records support."""

    status: Status
    reason: str
    """One sentence for people."""
    recommended: Coefficients
    """Of the network with the least expected regret; dwr where nothing has been trained."""
    network: Summary | None = None
    """The recommended network."""
    argmax: Summary | None = None
    """The highest mean top-1, which over-reports itself: shown beside the choice, never used."""
    standings: tuple[Standing, ...] = ()
    """Of all trained networks, the least expected regret first; none before some network has two seeds."""
    evidence: Evidence | None = None
    surface: tuple[Place, ...] = ()
    """A fine simplex, as far as the trained networks reach."""
    trainings_needed: int | None = None
    """Further trainings that may do, for a run that is not identified; None where no reasonable number
    would."""

    @property
    def winner(self) -> Summary | None:
        """Return the recommended network where it is identified."""
        return self.network if self.status == "identified" else None

    @property
    def stages(self) -> Spread:
        """Return how the recommended network spreads added blocks over the stages."""
        return self.network.candidate.stages if self.network else "uniform"

    @property
    def standing(self) -> Standing | None:
        """Return how the recommended network stands."""
        return next((each for each in self.standings if each.summary is self.network), None)

    @property
    def optimum(self) -> Shares | None:
        """Return where the surface is highest; None without one."""
        if not self.surface:
            return None
        return max(self.surface, key=lambda place: place.height).shares


def select(
    records: Sequence[Record],
    preference: Preference,
    latencies: Mapping[str, float] | None = None,
) -> Selection:
    """Choose the network to recommend, and work out how sure that is (docs/method.md, section 4).

    `latencies` are in seconds, by fingerprint; where they are not known of every network, activations
    decide among equals in their place.
    """
    trained = list_trained(records)
    if not trained:
        return _decline("no_eligible_winner", "No candidate has a finished training.", None)
    summaries = summarise(trained)
    argmax = max(
        summaries, key=lambda summary: (summary.mean_top1 or 0.0, -summary.candidate.cost.macs)
    )
    if len(summaries) < 2:
        reason = "Only one network has a finished training: there is nothing to compare it with."
        return _decline("not_identified", reason, argmax)
    judgement = judge(trained, preference)
    evidence = judgement.evidence
    network = _choose(summaries, judgement, preference, latencies or {})
    standings = _rank(summaries, judgement, network)
    needed = (
        None
        if judgement.is_identified
        else _count_needed(judgement.means, evidence.delta, len(trained))
    )
    return Selection(
        status="identified" if judgement.is_identified else "not_identified",
        reason=_explain(standings[network], len(summaries), judgement, needed),
        recommended=summaries[network].candidate.coefficients,
        network=summaries[network],
        argmax=argmax,
        # Without two seeds of any network, nothing but the priors would say what is noise.
        standings=tuple(sorted(standings, key=lambda standing: standing.regret))
        if evidence.noise.sd is not None
        else (),
        evidence=evidence,
        surface=draw_surface(judgement),
        trainings_needed=needed,
    )


def _decline(status: Status, reason: str, network: Summary | None) -> Selection:
    recommended = network.candidate.coefficients if network else NAMED["dwr"]
    return Selection(
        status=status, reason=reason, recommended=recommended, network=network, argmax=network
    )


def _choose(
    summaries: Sequence[Summary],
    judgement: Judgement,
    preference: Preference,
    latencies: Mapping[str, float],
) -> int:
    """Return the place of the network with the least expected regret, or one as good and cheaper.

    As good is also as sure: the preference never costs a choice that it is identified.
    """
    expected = -judgement.means.mean(axis=0)
    is_near = expected <= expected.min() + judgement.evidence.delta / 4
    if judgement.is_identified:
        is_near &= judgement.within >= CONFIDENCE
    near: list[int] = np.flatnonzero(is_near).tolist()
    is_measured = all(each.candidate.fingerprint in latencies for each in summaries)

    def measure(number: int) -> tuple[float, int, str]:
        candidate = summaries[number].candidate
        measured: float = candidate.cost.activations
        if preference.by == "latency" and is_measured:
            measured = latencies[candidate.fingerprint]
        elif preference.by == "closeness" and candidate.shares:
            measured = candidate.shares.distance(Shares(1 / 3, 1 / 3, 1 / 3))
        return measured, candidate.cost.macs, candidate.fingerprint

    return min(near, key=measure)


def _rank(summaries: Sequence[Summary], judgement: Judgement, network: int) -> list[Standing]:
    """Describe how every network stands, in the order of the (C, G) draws of their means."""
    means = judgement.means
    regrets = means.max(axis=1, keepdims=True) - means
    behind = means[:, [network]] - means
    bounds = np.quantile(regrets, CONFIDENCE, axis=0)
    low, high = np.quantile(behind, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    best = np.bincount(means.argmax(axis=1), minlength=len(summaries)) / len(means)
    columns = (regrets.mean(axis=0), bounds, best, judgement.within)
    return [
        Standing(
            summary=summary,
            regret=regret,
            bound=bound,
            chance_best=chance_best,
            chance_within=chance_within,
            behind=(middle, least, most),
            is_ruled_out=least > judgement.evidence.delta,
        )
        for summary, regret, bound, chance_best, chance_within, middle, least, most in zip(
            summaries,
            *(column.tolist() for column in (*columns, behind.mean(axis=0), low, high)),
            strict=True,
        )
    ]


def _count_needed(means: Floats, delta: float, trainings: int) -> int | None:
    """Estimate with how many further trainings the choice would more likely than not be identified.

    Worlds are drawn from the (C, G) draws. What is expected moves towards its world, and deviations
    from it shrink with the square root of the trainings, as for normal errors.
    """
    expected = means.mean(axis=0)
    worlds, deviations = means[:_WORLDS] - expected, means[-_DEVIATIONS:] - expected

    def is_likely(times: float) -> bool:
        later = expected + math.sqrt(1 - 1 / times) * worlds
        draws = later[:, None] + deviations / math.sqrt(times)
        chosen = np.take_along_axis(draws, later.argmax(axis=1)[:, None, None], axis=2)[:, :, 0]
        within = (draws.max(axis=2) - chosen <= delta).mean(axis=1)
        return float((within >= CONFIDENCE).mean()) >= 1 / 2

    place = bisect_left(_TIMES, True, key=is_likely)
    return math.ceil((_TIMES[place] - 1) * trainings) if place < len(_TIMES) else None


_WORLDS, _DEVIATIONS = 100, 200
_TIMES = [1.1**power for power in range(1, 30)]
"""Up to 16 times the trainings."""


def _explain(standing: Standing, networks: int, judgement: Judgement, needed: int | None) -> str:
    evidence = judgement.evidence
    chance = f"{100 * standing.chance_within:.0f} %"
    reach = say_amount(evidence.delta, evidence)
    near = f"within {reach} of the best of these {networks} networks"
    if judgement.is_identified:
        return f"With a probability of {chance} it is {near}."
    if evidence.noise.sd is None:
        return (
            "No network has been trained with two seeds, so how much trainings differ by chance is not "
            "known: more seeds would show it."
        )
    if evidence.tells_nothing:
        return (
            f"These trainings do not tell the networks apart (p = {evidence.noise.networks_p:.2f}): more "
            "images, more epochs or more seeds would."
        )
    more = (
        f"about {needed} more trainings may do"
        if needed
        else f"{_TIMES[-1]:.0f} times as many trainings would probably not do"
    )
    return f"It is {near} with a probability of {chance}, not {100 * CONFIDENCE:.0f} %; {more}."
