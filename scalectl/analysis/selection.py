"""From records to a recommendation: the network with the least expected regret, and how sure that is.

docs/method.md, section 4.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scalectl.analysis.posterior import Floats, Posterior, Trainings, draw_posterior
from scalectl.analysis.preference import Preference
from scalectl.analysis.recommendation import Status
from scalectl.analysis.response import (
    Noise,
    Response,
    Worth,
    compare_orders,
    measure_noise,
    observe,
    value_in_top1,
)
from scalectl.analysis.simplex import simplex_within
from scalectl.analysis.summaries import Summary, summarise
from scalectl.arch.scaling import NAMED, Coefficients, Shares
from scalectl.trial import Candidate, Record, State

CONFIDENCE = 0.95
Unit = Literal["top1", "log_loss"]


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

    @property
    def is_ruled_out(self) -> bool:
        """Whether it is worse than the best by more than delta, at 95 %."""
        return self.chance_within < 1 - CONFIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One point of the fitted surface."""

    shares: Shares
    height: float
    """Expected, against the surface's highest point: at most 0."""
    is_open: bool
    """Whether it is not shown, at 95 %, to be lower than the surface's highest point by over delta."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the choice rests on."""

    response: Response
    """What networks were compared by."""
    unit: Unit
    """Unit of regrets and heights: top-1 as a fraction; or log-loss, as a fraction of itself, where
    these trainings do not show what that is worth in top-1."""
    delta: float
    """The difference, in that unit, up to which networks count as equally good."""
    worth: Worth | None
    noise: Noise
    """In units of the response."""
    agreement: float | None
    """Rank correlation between the orders of the networks by log-loss and by top-1."""


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
    """Further trainings that would probably do, for a run that is not identified; None where no
    reasonable number would."""

    @property
    def winner(self) -> Summary | None:
        """Return the recommended network where it is identified."""
        return self.network if self.status == "identified" else None

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

    `latencies` are in seconds, by fingerprint; who prefers them has measured every network.
    """
    trained = list_trained(records)
    if not trained:
        return _decline("no_eligible_winner", "No candidate has a finished training.", None)
    summaries = summarise(trained)
    argmax = max(summaries, key=lambda one: (one.mean_top1 or 0.0, -one.candidate.cost.macs))
    if len(summaries) < 2:
        reason = "Only one network has a finished training: there is nothing to compare it with."
        return _decline("not_identified", reason, argmax)
    judgement = judge(trained, preference)
    evidence, means = judgement.evidence, judgement.means
    network = _choose(summaries, means, evidence.delta, preference, latencies or {})
    standings = _rank(summaries, means, evidence.delta, network)
    is_identified = is_enough(standings[network].chance_within, evidence)
    needed = None if is_identified else _count_needed(means, evidence.delta, len(trained))
    return Selection(
        status="identified" if is_identified else "not_identified",
        reason=_explain(standings[network], len(summaries), evidence, needed),
        recommended=summaries[network].candidate.coefficients,
        network=summaries[network],
        argmax=argmax,
        # Without two seeds of any network, nothing but the priors would say what is noise.
        standings=tuple(sorted(standings, key=lambda standing: standing.regret))
        if evidence.noise.sd is not None
        else (),
        evidence=evidence,
        surface=_draw_surface(judgement),
        trainings_needed=needed,
    )


def is_enough(chance_within: float, evidence: Evidence) -> bool:
    """Whether a choice is identified; never before some network was trained twice."""
    return chance_within >= CONFIDENCE and evidence.noise.sd is not None


def list_trained(records: Sequence[Record]) -> list[Record]:
    """List the finished trainings of candidates; the baseline is none."""
    return [
        record
        for record in records
        if record.state is State.DONE and record.trial.candidate.shares is not None
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """What finished trainings leave possible."""

    networks: tuple[str, ...]
    """Fingerprints, in order of first appearance."""
    trainings: Trainings
    posterior: Posterior
    scale: Floats
    """(C,): draws of what the response is worth in the unit of regrets."""
    evidence: Evidence

    @property
    def means(self) -> Floats:
        """Return (C, G) draws of the networks' means, in the unit of regrets."""
        means: Floats = self.posterior.means * self.scale[:, None]
        return means


def judge(trained: Sequence[Record], preference: Preference, seed: int = 0) -> Judgement:
    """Work out what two or more finished trainings of candidates leave possible."""
    by_loss = all(record.loss is not None for record in trained)
    response: Response = preference.response if by_loss else "top1"
    trainings, top1 = observe(trained, response), observe(trained, "top1")
    exact = Worth(slope=1.0, error=0.0)
    worth = exact if response == "top1" else value_in_top1(trainings, top1.response)
    networks = tuple(dict.fromkeys(record.trial.candidate.fingerprint for record in trained))
    posterior = draw_posterior(trainings, _count_draws(len(networks)), seed)
    return Judgement(
        networks=networks,
        trainings=trainings,
        posterior=posterior,
        scale=_draw_scale(worth, len(posterior.noise)),
        evidence=Evidence(
            response=response,
            unit="top1" if worth else "log_loss",
            delta=preference.delta if worth else _DELTA_OF_LOSS,
            worth=worth,
            noise=measure_noise(trainings),
            agreement=compare_orders(observe(trained, "log_loss"), top1) if by_loss else None,
        ),
    )


def find_optimum(records: Sequence[Record]) -> Shares | None:
    """Find where the surface of finished trainings is highest; None where it covers no area."""
    trained = list_trained(records)
    if len(trained) < 2:
        return None
    trainings = observe(trained, "top1")
    simplex = simplex_within(trainings.shares)
    if not len(simplex):
        return None
    heights = draw_posterior(trainings, _MOST_DRAWS, seed=0).predict(simplex).mean(axis=0)
    return Shares(*simplex[int(heights.argmax())].tolist())


_DELTA_OF_LOSS = 0.01
"""Where a difference in top-1 says nothing of one in log-loss: a hundredth of it."""
_MOST_DRAWS = 4000


def _count_draws(networks: int) -> int:
    """Choose fewer draws for many networks: 10,000 of them would fill a gigabyte."""
    return max(400, min(_MOST_DRAWS, 1_000_000 // networks))


def _decline(status: Status, reason: str, network: Summary | None) -> Selection:
    recommended = network.candidate.coefficients if network else NAMED["dwr"]
    return Selection(
        status=status, reason=reason, recommended=recommended, network=network, argmax=network
    )


def _draw_scale(worth: Worth | None, count: int) -> Floats:
    """Draw what the response is worth in the unit of regrets, as uncertain as that is."""
    if worth is None:
        return np.ones(count)
    drawn = np.random.default_rng(1).normal(worth.slope, worth.error, count)
    return np.asarray(np.maximum(drawn, 0.0))


def _choose(
    summaries: Sequence[Summary],
    means: Floats,
    delta: float,
    preference: Preference,
    latencies: Mapping[str, float],
) -> int:
    """Return the place of the network with the least expected regret, or one as good and cheaper."""
    expected = -means.mean(axis=0)
    near: list[int] = np.flatnonzero(expected <= expected.min() + delta / 4).tolist()
    place = _rank_by(preference, latencies)
    return min(near, key=lambda number: place(summaries[number].candidate))


def _rank_by(
    preference: Preference, latencies: Mapping[str, float]
) -> Callable[[Candidate], tuple[float, int, str]]:
    """Lowest first; ties by MACs, then by fingerprint."""
    measures: dict[str, Callable[[Candidate], float]] = {
        "activations": lambda candidate: candidate.cost.activations,
        "latency": lambda candidate: latencies[candidate.fingerprint],
        "closeness": lambda candidate: math.dist(_as_point(candidate), (1 / 3, 1 / 3, 1 / 3)),
    }
    measure = measures[preference.by]
    return lambda candidate: (measure(candidate), candidate.cost.macs, candidate.fingerprint)


def _as_point(candidate: Candidate) -> tuple[float, float, float]:
    shares = candidate.shares
    assert shares is not None
    return shares.depth, shares.width, shares.resolution


def _rank(
    summaries: Sequence[Summary], means: Floats, delta: float, network: int
) -> list[Standing]:
    """Describe how every network stands, in the order of the (C, G) draws of their means."""
    regrets = means.max(axis=1, keepdims=True) - means
    behind = means[:, [network]] - means
    bounds = np.quantile(regrets, CONFIDENCE, axis=0)
    low, high = np.quantile(behind, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    best = np.bincount(means.argmax(axis=1), minlength=len(summaries)) / len(means)
    columns = (regrets.mean(axis=0), bounds, best, (regrets <= delta).mean(axis=0))
    return [
        Standing(
            summary=summary,
            regret=regret,
            bound=bound,
            chance_best=chance_best,
            chance_within=chance_within,
            behind=(middle, least, most),
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


def _explain(standing: Standing, networks: int, evidence: Evidence, needed: int | None) -> str:
    chance = f"{100 * standing.chance_within:.0f} %"
    reach = say_amount(evidence.delta, evidence)
    near = f"within {reach} of the best of these {networks} networks"
    if is_enough(standing.chance_within, evidence):
        return f"With a probability of {chance} it is {near}."
    if evidence.noise.sd is None:
        return (
            "No network has been trained with two seeds, so how much trainings differ by chance is not "
            "known: more seeds would show it."
        )
    p = evidence.noise.networks_p
    if p is not None and p > 1 - CONFIDENCE:
        return (
            f"These trainings do not tell the networks apart (p = {p:.2f}): more images, more epochs "
            "or more seeds would."
        )
    more = (
        f"about {needed} more trainings may do"
        if needed
        else (f"{_TIMES[-1]:.0f} times as many trainings would probably not do")
    )
    return f"It is {near} with a probability of {chance}, not {100 * CONFIDENCE:.0f} %; {more}."


def say_amount(amount: float, evidence: Evidence) -> str:
    """Write a difference between networks in words, such as "0.2 points of top-1"; rounded up."""
    hundredths = math.ceil(10_000 * amount - 1e-6) / 100
    unit = "points of top-1" if evidence.unit == "top1" else "% of the log-loss"
    return f"{hundredths:g} {unit}"


def _draw_surface(judgement: Judgement) -> tuple[Place, ...]:
    simplex = simplex_within(judgement.trainings.shares)
    if not len(simplex):
        return ()
    heights = (judgement.posterior.predict(simplex) * judgement.scale[:, None])[:_SURFACES]
    expected = heights.mean(axis=0)
    lost = heights.max(axis=1, keepdims=True) - heights
    near = (lost <= judgement.evidence.delta).mean(axis=0)
    return tuple(
        Place(shares=Shares(*point), height=height, is_open=is_open)
        for point, height, is_open in zip(
            simplex.tolist(),
            (expected - expected.max()).tolist(),
            (near >= 1 - CONFIDENCE).tolist(),
            strict=True,
        )
    )


_SURFACES = 500
"""Draws of the surface: it is for the eye."""
