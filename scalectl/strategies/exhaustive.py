"""Every candidate with every seed; with `prune`, the clearly worse ones with fewer."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from scipy import special

from scalectl.search import Plan
from scalectl.strategies import Read, settle
from scalectl.trial import Candidate, Record, Trial, list_scores

NOTE = ""


def rounds(plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
    """All at once; or seed after seed, and after each from the second on, without the worse ones."""
    if not plan.grid.strategy.prune:
        yield plan.trials
        return
    going = {one.fingerprint: one for one in plan.enumeration.candidates}
    records: dict[str, Record] = {}
    for seed in range(plan.grid.seeds):
        block = [
            trial
            for trial in plan.trials
            if trial.seed == seed and trial.candidate.fingerprint in going
        ]
        records |= yield from settle(block, read)
        for network in _find_worse(going, list_scores(records.values()), seed + 1):
            del going[network]


def at_most(plan: Plan) -> Sequence[Trial]:
    """Nothing may turn out to be worse."""
    return plan.trials


_P = 0.05
"""Of dropping any candidate that is no worse; shared among the comparisons (Bonferroni)."""
_DELTA = 0.002
"""In top-1: what is worse by less is as good, as in the selection."""


def _find_worse(
    going: Mapping[str, Candidate], scores: Mapping[str, Mapping[int, float]], seeds: int
) -> list[str]:
    """The networks that get no further seeds: worse than the best so far by more than delta.

    Paired on seeds, as Optuna's WilcoxonPruner is, but by a t test whose error is pooled over all
    candidates, as the selection's is: of n seeds Wilcoxon's signed ranks give no p below 2^-n, and a
    t test of each pair alone has n - 1 degrees of freedom. A control is never dropped. Only
    replicates are spared, never epochs, and what was trained stays in the fit.
    """
    rows = {
        network: [scores[network][seed] for seed in range(seeds)]
        for network, one in going.items()
        if one.shares is not None and len(scores.get(network, ())) == seeds
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
        if not going[network].control and highest - mean - _DELTA > margin
    ]


def _quantile(p: float, freedom: int) -> float:
    """What a t of that freedom exceeds with probability p."""
    return float(special.stdtrit(freedom, 1 - p))
