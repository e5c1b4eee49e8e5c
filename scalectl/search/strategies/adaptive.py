"""Train every network twice, and then, seed after seed, those that may still be the best.

It ends when the choice is sure, or when as many trainings as `seeds` for every network are spent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

from scalectl.analysis.allocation import choose_networks
from scalectl.analysis.evidence import list_trained
from scalectl.search.plan import Plan
from scalectl.search.strategies import Read, settle
from scalectl.trial import Record, Trial


def rounds(plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
    """Yield the first seeds of all networks, and then small blocks of one new seed each.

    With two seeds or one, that is all there is.
    """
    if not plan.config.is_adaptive:
        yield plan.trials
        return
    first = [trial for trial in plan.trials if trial.seed < plan.config.later_seed]
    records: dict[str, Record] = yield from settle(first, read)
    candidates = {trial.candidate.fingerprint: trial.candidate for trial in first}
    left = len(plan.trials) - len(first)
    seed = plan.config.later_seed
    while left > 0:
        trained = list_trained(tuple(records.values()))
        size = min(plan.config.strategy.batch, left)
        if len({record.trial.candidate.fingerprint for record in trained}) < 2:
            return
        chosen = choose_networks(trained, plan.config.select, size, seed)
        if not chosen:
            return
        block = [replace(first[0], candidate=candidates[name], seed=seed) for name in chosen]
        records |= yield from settle(block, read)
        left -= len(block)
        seed += 1


def at_most(plan: Plan) -> Sequence[Trial]:
    """List the trials; further blocks of all candidates stand for those chosen by results."""
    first = [trial for trial in plan.trials if trial.seed < plan.config.later_seed]
    candidates = plan.enumeration.candidates[1:]  # never the baseline
    further = (
        replace(first[0], candidate=candidate, seed=seed)
        for seed in count(plan.config.later_seed)
        for candidate in candidates
    )
    return [*first, *islice(further, len(plan.trials) - len(first))]
