"""Train only the best in full: synchronous successive halving on epochs (Jamieson & Talwalkar 2016).

A rung trains what is left of the candidates for epochs / reduction^k, and keeps 1 of `reduction` of
them for the next one. The controls are never dropped, and so are trained in full alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scalectl.search.plan import Plan
from scalectl.search.strategies import Read, settle
from scalectl.trial import Record, State, Trial, average_scores

NOTE = (
    "Brief trainings decided which networks were trained in full, and early ranks favour width "
    "(Bello et al. 2021)."
)


def rounds(plan: Plan, read: Read) -> Iterator[Sequence[Trial]]:
    """Yield one rung after another, and then the full trainings."""
    left = {c.fingerprint for c in plan.enumeration.candidates if not c.control}
    for epochs, keep in _list_rungs(plan, len(left)):
        rung = [
            replace(trial, purpose="rung", recipe=replace(trial.recipe, epochs=epochs))
            for trial in plan.trials
            if trial.candidate.fingerprint in left
        ]
        records = yield from settle(rung, read)
        means = average_scores(records.values())
        ranking = sorted(means, key=lambda network: (-means[network], network))
        left = set(ranking[:keep])
    yield [
        trial
        for trial in plan.trials
        if trial.candidate.control or trial.candidate.fingerprint in left
    ]


def at_most(plan: Plan) -> Sequence[Trial]:
    """List the trials if the costliest networks are always kept."""
    trials: list[Trial] = []

    def read() -> dict[str, Record]:
        return {
            trial.id: Record(trial=trial, state=State.DONE, top1=float(trial.candidate.cost.macs))
            for trial in trials
        }

    for rung in rounds(plan, read):
        trials += rung
    return trials


def _list_rungs(plan: Plan, candidates: int) -> list[tuple[int, int]]:
    """List each rung's epochs and how many it keeps; none where there is nothing to halve."""
    full, by = plan.config.proxy.epochs, plan.config.strategy.reduction
    count = 0
    while min(full, candidates) >= by ** (count + 1):
        count += 1
    return [
        (full // by ** (count - rung), -(-candidates // by ** (rung + 1))) for rung in range(count)
    ]
