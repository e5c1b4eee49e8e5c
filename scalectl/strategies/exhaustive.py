"""Every candidate with every seed; with `prune`, the clearly worse ones with fewer."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev

from scipy import special

from scalectl.search import Plan
from scalectl.strategies import Read, list_scores, settle
from scalectl.trial import Candidate, Record, Trial

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


_P = 0.01


def _find_worse(
    going: Mapping[str, Candidate], scores: Mapping[str, Mapping[int, float]], seeds: int
) -> list[str]:
    """The networks that get no further seeds; a control is never one.

    Compared with the best so far on the same seeds, by the t test of paired differences: with n
    seeds, Wilcoxon's signed ranks give no p below 2^-n, and would drop nothing before the seventh.
    The best is picked from the same numbers and so looks better than it is; hence p < .01, not .05.
    Only replicates are ever spared, never epochs, and what was trained stays in the fit.
    """
    compared = {
        network: one
        for network, one in going.items()
        if one.shares is not None and len(scores.get(network, ())) == seeds
    }
    if seeds < 2 or not compared:
        return []
    best = max(compared, key=lambda network: (fmean(scores[network].values()), network))
    return [
        network
        for network, one in compared.items()
        if not one.control and _is_worse(scores[network], scores[best])
    ]


def _is_worse(own: Mapping[int, float], best: Mapping[int, float]) -> bool:
    """One-sided, on the same seeds, of which there are at least two."""
    differences = [best[seed] - own[seed] for seed in own]
    mean, error = fmean(differences), stdev(differences) / math.sqrt(len(differences))
    if error == 0:
        return mean > 0
    return bool(special.stdtr(len(differences) - 1, -mean / error) < _P)
