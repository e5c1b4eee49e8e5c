"""What networks are compared by: log-loss or top-1, its noise, and what it is worth in top-1."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from scalectl.analysis.posterior import Floats, Integers, Trainings
from scalectl.trial import Record

Response = Literal["log_loss", "top1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How much trainings of one network differ, against how much the networks do."""

    sd: float | None
    """Standard deviation of one training within a block, in the response; None without replicates."""
    spread: float | None
    """The same of the networks themselves, free of noise."""
    networks_p: float | None
    """P of networks as different as these if only noise told them apart (an F test)."""
    reliability: float | None
    """1 - 1 / F, at least 0: the part of the differences between their means that is not noise."""
    fitted: tuple[float, ...]
    """Network and block of each training, by least squares."""
    residuals: tuple[float, ...]
    """What is left of its response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Top-1 that a unit of the response is worth, as a fraction."""

    slope: float
    error: float
    """Its standard error, by the jackknife over networks."""


def observe(records: Sequence[Record], response: Response) -> Trainings:
    """Arrange finished trainings of candidates; networks in order of first appearance.

    The response is top-1, or -log(log-loss), whose noise is even where losses differ.
    """
    candidates = {record.trial.candidate.fingerprint: record.trial.candidate for record in records}
    networks = {fingerprint: number for number, fingerprint in enumerate(candidates)}
    shares = [candidate.shares for candidate in candidates.values()]
    seeds = sorted({record.trial.seed for record in records})
    blocks = {seed: block for block, seed in enumerate(seeds)}
    return Trainings(
        shares=np.array([(s.depth, s.width, s.resolution) for s in shares if s], float),
        excess=np.array([math.log2(c.realised_ratio) - c.phi for c in candidates.values()]),
        network=np.array([networks[record.trial.candidate.fingerprint] for record in records]),
        block=np.array([blocks[record.trial.seed] for record in records]),
        response=np.array([score(record, response) for record in records], float),
    )


def score(record: Record, response: Response) -> float:
    """Return how good a finished training came out; higher is better."""
    if response == "top1":
        return record.top1 or 0.0
    return -math.log(max(record.loss or 0.0, _LEAST_LOSS))


_LEAST_LOSS = 1e-9


def measure_noise(trainings: Trainings) -> Noise:
    """Divide the differences into networks and noise (two-way analysis of variance, Fisher 1925)."""
    parts = _split(trainings, trainings.response)
    fitted, residuals = trainings.response - parts.residuals, parts.residuals
    kept = {"fitted": tuple(fitted.tolist()), "residuals": tuple(residuals.tolist())}
    if parts.freedom < 1 or len(parts.effects) < 2:
        return Noise(sd=None, spread=None, networks_p=None, reliability=None, **kept)
    within, between = parts.within, parts.between
    return Noise(
        sd=math.sqrt(within),
        spread=math.sqrt(max(0.0, between - within) / parts.mean_count),
        networks_p=_test_networks(parts),
        reliability=max(0.0, 1 - within / between) if between else 0.0,
        **kept,
    )


def compare_orders(ours: Trainings, theirs: Trainings) -> float | None:
    """Return the rank correlation of the networks by two responses (Spearman 1904), -1 to 1.

    None for fewer than three networks, or where one response is the same for all of them.
    """
    means = [
        np.bincount(each.network, each.response) / np.bincount(each.network)
        for each in (ours, theirs)
    ]
    if len(means[0]) < 3 or any(np.ptp(mean) == 0 for mean in means):
        return None
    ranks = np.array([mean.argsort().argsort() for mean in means])
    return float(np.corrcoef(ranks)[0, 1])


def value_in_top1(trainings: Trainings, top1: Floats) -> Worth | None:
    """Return what the response is worth in top-1 by the slope among networks.

    Not among seeds, whose slope is another one: products of network effects, less what noise adds
    to them. None where these trainings do not determine it: fewer than four networks, no second
    seed, networks that noise alone tells apart, or a slope within two standard errors of 0.
    """
    ours, theirs = _split(trainings, trainings.response), _split(trainings, top1)
    freedom = len(ours.effects) - 1
    if freedom < 3 or ours.freedom < 1 or _test_networks(ours) > _LEVEL:
        return None
    noise, square = float(ours.residuals @ theirs.residuals) / ours.freedom, ours.within
    products = ours.counts * ours.effects * theirs.effects
    squares = ours.counts * ours.effects**2
    slope = (products.sum() - freedom * noise) / (squares.sum() - freedom * square)
    without = (products.sum() - products - freedom * noise) / np.maximum(
        squares.sum() - squares - freedom * square, 1e-12
    )
    error = math.sqrt(freedom / (freedom + 1) * float(((without - without.mean()) ** 2).sum()))
    if not slope > 2 * error:
        return None
    return Worth(slope=float(slope), error=error)


_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parts:
    """Scores as sums of network, block and residual, by least squares."""

    effects: Floats
    """(G,): of the networks, weighted mean 0."""
    counts: Integers
    """(G,)"""
    residuals: Floats
    """(N,)"""
    freedom: int
    between: float
    """Mean square of the networks, beside what the blocks explain."""

    @property
    def within(self) -> float:
        """Return the mean square of the residuals."""
        return float(self.residuals @ self.residuals) / self.freedom

    @property
    def mean_count(self) -> float:
        """Return how many trainings a network has, as the analysis of variance counts them."""
        total = int(self.counts.sum())
        return (total - float((self.counts**2).sum()) / total) / (len(self.counts) - 1)


def _test_networks(parts: _Parts) -> float:
    """Return P of networks as different as these by noise alone."""
    if parts.within == 0:
        return float(parts.between == 0)
    f_value = parts.between / parts.within
    return float(special.fdtrc(len(parts.effects) - 1, parts.freedom, f_value))


def _split(trainings: Trainings, scores: Floats) -> _Parts:
    """Fit networks and blocks in turn until they no longer change."""
    counts, sizes = np.bincount(trainings.network), np.bincount(trainings.block)
    effects, blocks = np.zeros(len(counts)), np.zeros(len(sizes))
    for _ in range(_MOST_TURNS):
        before = blocks
        effects = np.bincount(trainings.network, scores - blocks[trainings.block]) / counts
        blocks = np.bincount(trainings.block, scores - effects[trainings.network]) / sizes
        if np.abs(blocks - before).max() <= 1e-12 * (1 + np.abs(scores).max()):
            break
    residuals = scores - effects[trainings.network] - blocks[trainings.block]
    means = np.bincount(trainings.block, scores) / sizes
    alone = scores - means[trainings.block]
    explained = float(alone @ alone - residuals @ residuals)
    return _Parts(
        effects=effects - float(counts @ effects) / counts.sum(),
        counts=counts,
        residuals=residuals,
        freedom=len(scores) - len(counts) - len(sizes) + 1,
        between=max(0.0, explained) / max(1, len(counts) - 1),
    )


_MOST_TURNS = 500
