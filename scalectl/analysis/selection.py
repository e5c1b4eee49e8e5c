"""From records to a choice: the fitted surface, and what it can claim (docs/method.md, section 4)."""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

import numpy as np

from scalectl.analysis.preference import Preference
from scalectl.analysis.recommendation import Status
from scalectl.analysis.surface import (
    CONFIDENCE,
    Fit,
    Floats,
    Observations,
    Surface,
    detection_chance,
    fit_surface,
    simplex_within,
)
from scalectl.arch.scaling import NAMED, Coefficients, Shares
from scalectl.trial import Candidate, Record, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The finished trials of one candidate."""

    candidate: Candidate
    n: int
    """Number of seeds that finished (state "done")."""
    failed: int
    """Trials that did not."""
    mean_top1: float | None
    sd_top1: float | None
    """Over seeds, with n - 1; None below two."""
    mean_loss: float | None
    mean_train_top1: float | None
    mean_seconds: float | None
    macs_spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One point of the fitted surface."""

    shares: Shares
    top1: float
    """At the compute that was asked for, on average over the seeds."""
    indifferent: bool
    """Whether it is in the indifference set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indifference:
    """All shares that cannot be told, at 95 %, from the best by more than delta."""

    delta: float
    """In top-1, as a fraction."""
    margin: float
    """How far below the best of the surface its members may lie: delta, and what noise makes of 0."""
    fraction: float
    """Of the searched part of the triangle."""
    alpha: tuple[float, float]
    beta: tuple[float, float]
    gamma: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the records support."""

    status: Status
    reason: str
    """One sentence for people."""
    winner: Summary | None
    """None unless identified."""
    recommended: Coefficients
    """The winner's. Where the data support no choice, the balanced "dwr", unless the surface, four
    fifths of whose relief are no noise, has it lose more than delta: then the highest trained one."""
    argmax: Summary | None
    """The highest mean, which over-reports itself: shown beside the winner, never used."""
    optimum: Shares | None
    """Where the fitted surface is highest."""
    indifference: Indifference | None
    fit: Fit | None
    surface: tuple[Place, ...] = ()
    """A fine simplex, as far as the trained networks reach."""
    chances: Mapping[str, float] = field(default_factory=dict)
    """Fingerprint of a trained network -> P that it is the best of them, over the refits."""
    seeds_needed: int | None = None
    """In all, for a run that is not identified; None where no number of seeds would help."""


def summarise(records: Sequence[Record]) -> tuple[Summary, ...]:
    """One summary per network, in order of first appearance; the baseline is among them."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.trial.candidate.fingerprint, []).append(record)
    return tuple(_summarise(group) for group in groups.values())


def select(
    records: Sequence[Record],
    preference: Preference,
    latencies: Mapping[str, float] | None = None,
) -> Selection:
    """The winner with its uncertainty, or the reason why there is none (docs/method.md, section 4).

    `latencies` are in seconds, by fingerprint; who prefers them has measured every network.
    """
    trained = [
        record
        for record in records
        if record.state is State.DONE and record.trial.candidate.shares is not None
    ]
    if not trained:
        return _undecided("no_eligible_winner", "No candidate has a finished training.")
    summaries = summarise(trained)
    argmax = max(summaries, key=lambda one: (one.mean_top1 or 0.0, -one.candidate.cost.macs))
    surface = fit_surface(_observe(trained))
    if surface is None:
        reason = "There are too few finished trainings to fit the surface; dwr is the safe choice."
        return _undecided("not_identified", reason, argmax)
    return _decide(surface, summaries, argmax, preference, latencies or {})


def find_optimum(records: Sequence[Record]) -> Shares | None:
    """Where the surface of finished trainings is highest; None where there are too few of them."""
    observations = _observe(records)
    surface = fit_surface(observations)
    if surface is None:
        return None
    simplex = simplex_within(observations.shares)
    return Shares(*simplex[_find_top(surface, simplex)].tolist())


def _find_top(surface: Surface, points: Floats) -> int:
    return int((surface.terms(points) @ surface.coefficients).argmax())


def _summarise(group: list[Record]) -> Summary:
    done = [record for record in group if record.state is State.DONE]

    def mean(name: str) -> float | None:
        values = [getattr(record, name) for record in done]
        if not values or None in values:
            return None
        return fmean(values) if len(values) > 1 else values[0]

    return Summary(
        candidate=group[0].trial.candidate,
        n=len(done),
        failed=len(group) - len(done),
        mean_top1=mean("top1"),
        sd_top1=stdev(record.top1 or 0.0 for record in done) if len(done) > 1 else None,
        mean_loss=mean("loss"),
        mean_train_top1=mean("train_top1"),
        mean_seconds=mean("seconds"),
        macs_spent=sum(record.macs_spent for record in group),
    )


def _undecided(status: Status, reason: str, argmax: Summary | None = None) -> Selection:
    return Selection(
        status=status,
        reason=reason,
        winner=None,
        recommended=NAMED["dwr"],
        argmax=argmax,
        optimum=None,
        indifference=None,
        fit=None,
    )


def _observe(records: Sequence[Record]) -> Observations:
    candidates = [record.trial.candidate for record in records]
    return Observations(
        y=np.array([record.top1 for record in records], float),
        shares=np.array([_as_point(candidate) for candidate in candidates]),
        excess=np.array([math.log2(one.realised_ratio) - one.phi for one in candidates]),
        blocks=np.array([record.trial.seed for record in records]),
        networks=np.array([candidate.fingerprint for candidate in candidates]),
    )


def _as_point(candidate: Candidate) -> tuple[float, float, float]:
    shares = candidate.shares
    assert shares is not None
    return shares.depth, shares.width, shares.resolution


@dataclass(frozen=True, slots=True, eq=False)
class _Relief:
    """Heights on the fine simplex, and of the refits around them."""

    height: Floats
    """(M,)"""
    noise: Floats
    """(M, R): what each refit adds to it."""
    reliability: float

    def margin(self, more: float = 1.0) -> float:
        """How far the true best may lie below the fitted best, at 95 %, with `more` times the seeds.

        The bootstrap's worlds have the fitted relief, shrunk to the variance that is not noise: with
        all of it they would be too rugged, and the set too small. It then held the best in 88 % of
        simulations where noise was seven times the signal, and in 93 % with this.
        """
        kept = math.sqrt(self.reliability)
        worlds = (kept * self.height)[:, None] + self.noise / math.sqrt(more)
        lost = worlds.max(axis=0) - worlds[int(self.height.argmax())]
        return float(np.quantile(lost, CONFIDENCE))

    def fraction(self, margin: float, relief: float = 1.0) -> float:
        """Of the simplex that lies within the margin of the best, with so much of the relief."""
        return float((relief * (self.height.max() - self.height) <= margin).mean())


def _decide(
    surface: Surface,
    summaries: Sequence[Summary],
    argmax: Summary,
    preference: Preference,
    latencies: Mapping[str, float],
) -> Selection:
    trained = np.array([_as_point(one.candidate) for one in summaries])
    simplex, ours = simplex_within(trained), surface.terms(trained)
    terms, refits = surface.terms(simplex), surface.refit()
    relief = _Relief(terms @ surface.coefficients, terms @ refits, surface.fit.reliability)
    margin = preference.delta + relief.margin()
    lowest = float(relief.height.max()) - margin
    inside = relief.height >= lowest
    indifference = _describe_set(simplex[inside], preference.delta, margin, float(inside.mean()))
    heights = ours @ surface.coefficients
    members = [one for one, height in zip(summaries, heights, strict=True) if height >= lowest]
    problem = _find_problem(surface.fit, indifference, members)
    winner = None if problem else min(members, key=_rank_by(preference, latencies))
    needed, guess = None, NAMED["dwr"]
    if problem:
        needed = _count_seeds(surface, relief, preference.delta, max(one.n for one in summaries))
        highest = summaries[int(heights.argmax())].candidate.coefficients
        guess = highest if _loses(surface, relief, preference.delta) else guess
        problem = _advise(problem, guess, needed, relief, preference.delta)
    return Selection(
        status="not_identified" if problem else "identified",
        reason=problem or _explain_choice(preference),
        winner=winner,
        recommended=winner.candidate.coefficients if winner else guess,
        argmax=argmax,
        optimum=Shares(*simplex[int(relief.height.argmax())].tolist()),
        indifference=indifference,
        fit=surface.fit,
        surface=tuple(
            Place(shares=Shares(*point), top1=top1, indifferent=member)
            for point, top1, member in zip(
                simplex.tolist(), relief.height.tolist(), inside.tolist(), strict=True
            )
        ),
        chances={
            one.candidate.fingerprint: chance
            for one, chance in zip(
                summaries, _count_wins(ours, surface.coefficients[:, None] + refits), strict=True
            )
        },
        seeds_needed=needed,
    )


def _count_wins(terms: Floats, surfaces: Floats) -> list[float]:
    """The part of the (P, R) surfaces on which each of the (G, P) points is the highest."""
    # Some surfaces at once: the heights of 10,000 networks on all of them would fill a gigabyte.
    parts = np.array_split(surfaces.T, -(-surfaces.shape[1] // 100))
    best = np.concatenate([(part @ terms.T).argmax(axis=1) for part in parts])
    wins: list[float] = (np.bincount(best, minlength=len(terms)) / len(best)).tolist()
    return wins


def _find_problem(fit: Fit, indifference: Indifference, members: Sequence[Summary]) -> str:
    """Why no winner can be named, or nothing."""
    if not fit.shares_p <= 1 - CONFIDENCE:
        return f"The shares explain no more than chance does (p = {fit.shares_p:.2f})"
    if indifference.fraction > _MOST:
        return f"{indifference.fraction:.0%} of the triangle cannot be told from the best"
    return "" if members else "No trained candidate lies near the best of the surface"


def _loses(surface: Surface, relief: _Relief, delta: float) -> bool:
    """Whether dwr is no careful choice: a clear surface has it lose more than delta."""
    dwr = float((surface.terms(np.array([_CENTRE])) @ surface.coefficients)[0])
    lost = relief.reliability * (float(relief.height.max()) - dwr)
    return relief.reliability >= _CLEAR and lost > delta


def _count_seeds(surface: Surface, relief: _Relief, delta: float, seeds: int) -> int | None:
    """With how many in all the run would probably be identified, if what it suggests is true."""

    def is_enough(total: int) -> bool:
        more = total / seeds
        chance = detection_chance(surface.fit, len(surface.coefficients), surface.freedom, more)
        if chance < _POWER:
            return False
        return relief.fraction(delta + relief.margin(more), relief.reliability) <= _MOST

    totals = range(seeds + 1, seeds * _MANY + 1)
    place = bisect_left(totals, True, key=is_enough)
    return totals[place] if place < len(totals) else None


def _advise(
    problem: str, guess: Coefficients, needed: int | None, relief: _Relief, delta: float
) -> str:
    choice = "dwr is the safe choice"
    if guess != NAMED["dwr"]:
        choice = f"dwr would probably lose too much, and {guess} is the best guess"
    if needed:
        help_ = f"about {needed} seeds would probably do"
    elif relief.fraction(delta, relief.reliability) > _MOST:
        help_ = "the choice matters little here"
    else:
        help_ = f"even {_MANY} times the seeds would probably not do"
    return f"{problem}: {choice}; {help_}."


_CENTRE = (1 / 3, 1 / 3, 1 / 3)
_CLEAR = 0.8
"""Part of a surface's relief that is no noise, from which its best guess beats dwr in simulations."""
_MOST = 0.5
"""Of the triangle may be indifferent where a winner is named."""
_POWER = 0.8
_MANY = 16


def _explain_choice(preference: Preference) -> str:
    kind = {
        "activations": "has the fewest activations",
        "latency": "is the fastest",
        "closeness": "is the closest to dwr",
    }[preference.by]
    return f"The shares matter, and the winner {kind} of those that cannot be told from the best."


def _rank_by(
    preference: Preference, latencies: Mapping[str, float]
) -> Callable[[Summary], tuple[float, int, str]]:
    """Lowest first; ties by MACs, then by fingerprint."""
    measures: dict[str, Callable[[Candidate], float]] = {
        "activations": lambda one: one.cost.activations,
        "latency": lambda one: latencies[one.fingerprint],
        "closeness": lambda one: math.dist(_as_point(one), _CENTRE),
    }
    measure = measures[preference.by]

    def place(summary: Summary) -> tuple[float, int, str]:
        candidate = summary.candidate
        return measure(candidate), candidate.cost.macs, candidate.fingerprint

    return place


def _describe_set(members: Floats, delta: float, margin: float, fraction: float) -> Indifference:
    points = [Coefficients.from_shares(Shares(*point)) for point in members.tolist()]

    def between(values: list[float]) -> tuple[float, float]:
        return min(values), max(values)

    return Indifference(
        delta=delta,
        margin=margin,
        fraction=fraction,
        alpha=between([point.alpha for point in points]),
        beta=between([point.beta for point in points]),
        gamma=between([point.gamma for point in points]),
    )
