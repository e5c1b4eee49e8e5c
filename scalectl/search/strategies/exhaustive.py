"""Train every candidate with every seed; with `prune`, the clearly worse ones with fewer."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from scipy import special

from scalectl.search.plan import Plan
from scalectl.search.strategies import Read, settle
from scalectl.trial import Candidate, Record, Trial, list_scores

NOTE = ""


def rounds(plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
    """Yield all trials at once; with `prune`, seed after seed, without what is worse by then."""
    if not plan.config.strategy.prune:
        yield plan.trials
        return
    going = {candidate.fingerprint: candidate for candidate in plan.enumeration.candidates}
    records: dict[str, Record] = {}
    for seed in range(plan.config.seeds):
        block = [
            trial
            for trial in plan.trials
            if trial.seed == seed and trial.candidate.fingerprint in going
        ]
        records |= yield from settle(block, read)
        scores, delta = list_scores(records.values()), plan.config.select.delta
        for network in _find_worse(going, scores, seed + 1, delta):
            del going[network]


def at_most(plan: Plan) -> Sequence[Trial]:
    """List all trials, since nothing may turn out to be worse."""
    return plan.trials


_P = 0.05
"""Chance of dropping any candidate that is no worse, divided among the comparisons (Bonferroni)."""


def _find_worse(
    going: Mapping[str, Candidate],
    scores: Mapping[str, Mapping[int, float]],
    seeds: int,
    delta: float,
) -> list[str]:
    """List the networks that get no further seeds: worse than the best by more than delta.

    Paired on seeds, as Optuna's WilcoxonPruner is, but by a t test whose error is pooled over all
    candidates, as the selection's is: of n seeds Wilcoxon's signed ranks give no p below 2^-n, and a
    t test of each pair alone has n - 1 degrees of freedom. A control is never dropped. Only
    replicates are spared, never epochs, and what was trained stays in the fit.
    """
    rows = {
        network: [scores[network][seed] for seed in range(seeds)]
        for network, candidate in going.items()
        if candidate.shares is not None and len(scores.get(network, ())) == seeds
    }
    freedom = (len(rows) - 1) * (seeds - 1)
    if freedom < 1:
        return []
    means = {network: fmean(row) for network, row in rows.items()}
    blocks = [fmean(column) for column in zip(*rows.values(), strict=True)]
    middle, highest = fmean(blocks), max(means.values())
    residual = sum(
        (score - means[network] - block + middle) ** 2
        for network, row in rows.items()
        for score, block in zip(row, blocks, strict=True)
    )
    margin = _quantile(_P / (len(rows) - 1), freedom) * math.sqrt(2 * residual / freedom / seeds)
    return [
        network
        for network, mean in means.items()
        if not going[network].control and highest - mean - delta > margin
    ]


def _quantile(p: float, freedom: int) -> float:
    """Return what a t of that freedom exceeds with probability p."""
    return float(special.stdtrit(freedom, 1 - p))
