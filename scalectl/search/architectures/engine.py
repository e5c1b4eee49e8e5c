"""Carry a search of architectures out: propose, train, store, round after round; then confirm.

Events are those of every search (`scalectl.search.engine`), but for the last one.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scalectl.executors import Executor
from scalectl.search import engine, latencies, plan_file, resume
from scalectl.search.architectures.plan import ArchitecturePlan, Weigh, count_macs
from scalectl.search.architectures.results import (
    ArchitectureResults,
    is_trained,
    plan_confirmation,
    read_architecture_results,
    write_winner,
)
from scalectl.search.shards import Shard
from scalectl.store.locks import Locks
from scalectl.store.writer import Store
from scalectl.trial import Trial


@dataclass(frozen=True, slots=True)
class Chosen:
    """The search is over."""

    results: ArchitectureResults
    failed: int
    """Number of trials without a final result."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What this shard may train is over; the next round rests on what others train."""

    others: int
    """Number of their trials that are missing."""


Event = engine.Event | Chosen | Waiting


def search(
    plan: ArchitecturePlan,
    run: Path,
    executor: Executor,
    device: str,
    shard: Shard | None = None,
) -> Generator[Event, None, None]:
    """Train what the samplers ask for, choose, confirm the choice; yield what happens.

    The last event is `Chosen`; of a shard it is `Waiting` where a round needs other shards' results.
    Raises `ScalectlError` for a folder that cannot be written or that holds another search, and
    `OutOfSpaceError`.
    """
    from scalectl.search.architectures import proposals  # with Optuna, which `grid` does without

    store, damaged = resume.claim(plan, run)
    bound, retries = proposals.at_most(plan.config), plan.config.watch.retries
    yield engine.Begun(
        store=store,
        damaged=damaged,
        at_most=bound,
        is_adaptive=True,
        ended=len(store.list_ended()),
    )
    asked, weigh = set[str](), _choose_scales(plan, store, device)
    if plan.config.objective.latency:
        yield engine.Timing()
    for trials in proposals.rounds(plan, lambda: resume.read_over(store, retries), weigh):
        asked |= {trial.id for trial in trials}
        ours = _take(trials, shard)
        yield from engine.run_round(ours, plan, store, executor, device)
        others = resume.list_remaining(trials, store, retries)
        if shard and others and not resume.list_remaining(ours, store, retries):
            yield Waiting(len(others))
            return
    if plan.config.objective.latency:  # of other samplers' networks, too, which are in the run
        weigh([record.trial.baseline for record in store.read().records if is_trained(record)])
    failed = len(asked - store.list_ended())
    yield engine.Searched(len(asked), bound, failed)
    planned = plan_confirmation(plan.config, read_architecture_results(run).networks)
    trials = [trial for block in zip(*planned.values(), strict=True) for trial in block]
    if trials:
        names = {trial.id for trial in trials}
        yield engine.FollowUp(len(trials), len(names & store.list_ended()), (), None)
        yield from engine.run_round(_take(trials, shard), plan, store, executor, device)
        others = resume.list_remaining(trials, store, retries)
        if shard and others:
            yield Waiting(len(others))
            return
        failed += len(names - store.list_ended())
    plan_file.add(run, (), is_complete=True)
    results = read_architecture_results(run)
    write_winner(results, run)
    yield Chosen(results, failed)


def _choose_scales(plan: ArchitecturePlan, store: Store, device: str) -> Weigh:
    """Return what weighs networks: it counts MACs, or measures what the run's file of latencies lacks."""
    objective = plan.config.objective
    if not objective.latency:
        return count_macs
    is_of_that_kind = device.partition(":")[0] == objective.latency_on
    place = device if is_of_that_kind or not objective.latency_on else objective.latency_on
    locks = Locks(store.locks, 2 * plan.config.watch.stall)
    return partial(latencies.complete, store.folder, device=place, locks=locks)


def _take(trials: Sequence[Trial], shard: Shard | None) -> list[Trial]:
    """Take a shard's share of a round, all of it without a shard."""
    return list(trials if shard is None else trials[shard.number - 1 :: shard.of])
