"""Carry a search out: take, train and store trials, round after round, then choose.

Everything that happens is yielded as an event, so that a command only shows it. A search that is
stopped anywhere goes on when it is called again.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scalectl.analysis import recommendation
from scalectl.analysis.selection import Selection, select
from scalectl.executors import Executor
from scalectl.search import followups, latencies, plan_file, resume, strategies
from scalectl.search.architectures.plan import ArchitecturePlan
from scalectl.search.candidates import Rejected
from scalectl.search.plan import Plan, limits
from scalectl.search.results import Results, read_results, recommend
from scalectl.store import reader
from scalectl.store.locks import Locks
from scalectl.store.reader import DamagedFile
from scalectl.store.writer import Store
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Record, Trial


@dataclass(frozen=True, slots=True)
class Begun:
    """The run is open, and nothing is trained yet."""

    store: Store
    damaged: tuple[DamagedFile, ...]
    """Files that were set aside, and will be made again."""
    at_most: int
    """Most trials that the strategy may ask for."""
    is_adaptive: bool
    """Whether the strategy may ask for fewer."""
    ended: int
    """Number of this plan's trials that are in the run already."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round of trials is about to be trained."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the records support after a round of a search that is decided as it goes."""

    selection: Selection


@dataclass(frozen=True, slots=True)
class Searched:
    """The strategy asks for no more trials."""

    asked: int
    at_most: int
    failed: int
    """Number of trials without a final result."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The latency of each candidate is about to be measured."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Trials that show whether the choice holds are about to be trained."""

    trials: int
    ended: int
    rejected: tuple[Rejected, ...]
    """Networks that cannot be confirmed at a size."""
    detectable: float | None
    """Difference in top-1 that the confirmation finds with a power of 80 %, by the search's own noise;
    None where that is not known, or nothing is confirmed."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """The search is over."""

    results: Results
    failed: int
    """Number of trials without a final result."""


Event = Begun | Round | News | Judged | Searched | Timing | FollowUp | Concluded


def search(plan: Plan, run: Path, executor: Executor, device: str) -> Generator[Event, None, None]:
    """Train what the strategy asks for, choose, confirm the choice; yield what happens.

    The last event is `Concluded`. Raises `ScalectlError` for a folder that cannot be written or that
    holds another search, and `OutOfSpaceError`.
    """
    failed = yield from search_share(plan, plan, run, executor, device)
    if plan.config.select.by == "latency":
        yield Timing()
        searched = (record.trial for record in reader.read(run).records)
        trained = [trial.candidate for trial in searched if trial.purpose == "search"]
        latencies.measure(run, [*plan.enumeration.candidates, *trained], device)
    results = _conclude(run)
    trials, rejected = followups.follow_up(plan, results)
    if trials or rejected:
        store, names = Store(run), {trial.id for trial in trials}
        ended = names & store.list_ended()
        yield FollowUp(len(trials), len(ended), rejected, followups.find_detectable(plan, results))
        yield from run_round(trials, plan, store, executor, device)
        failed += len(names - store.list_ended())
        results = _conclude(run)
    plan_file.add(run, (), is_complete=True)
    yield Concluded(results, failed)


def search_share(
    plan: Plan, whole: Plan, run: Path, executor: Executor, device: str
) -> Generator[Event, None, int]:
    """Train what the strategy asks for, and choose nothing; return how many trials failed.

    `plan` has the share of `whole` that is trained here. Raises as `search` does.
    """
    store, damaged = resume.claim(plan, run)
    retries, is_adaptive = plan.config.watch.retries, plan.config.is_adaptive
    if not is_adaptive:
        plan_file.add(run, whole.trials, is_complete=not plan.may_grow)
    strategy = strategies.find_strategy(plan.config.strategy.kind)
    bound, ended = strategy.at_most(plan), store.list_ended()
    yield Begun(
        store=store,
        damaged=damaged,
        at_most=len(bound),
        is_adaptive=is_adaptive,
        ended=len(ended if is_adaptive else ended & {trial.id for trial in bound}),
    )
    asked = set[str]()
    for trials in strategy.rounds(plan, lambda: resume.read_over(store, retries)):
        asked |= {trial.id for trial in trials}
        yield from run_round(trials, plan, store, executor, device)
        if is_adaptive:
            records = resume.read_over(store, retries).values()
            yield Judged(select(list(records), plan.config.select))
    failed = len(asked - store.list_ended())
    yield Searched(len(asked), len(bound), failed)
    return failed


def run_round(
    trials: Sequence[Trial],
    plan: Plan | ArchitecturePlan,
    store: Store,
    executor: Executor,
    device: str,
) -> Iterator[Event]:
    """Note the trials in the run's plan, and train those that are not over."""
    plan_file.add(store.folder, trials, is_complete=not plan.may_grow)
    retries = plan.config.watch.retries
    left = resume.list_remaining(trials, store, retries)
    yield Round(tuple(left))
    yield from train(left, executor, make_workspace(plan, store, device), store, retries)


def _conclude(run: Path) -> Results:
    results = read_results(run)
    recommendation.write(recommend(results), run)
    return results


def make_workspace(plan: Plan | ArchitecturePlan, store: Store, device: str) -> Workspace:
    """Make the workspace that the trials of a plan share on this machine."""
    watch = plan.config.watch
    return Workspace(
        data=plan.config.proxy.data,
        limits=limits(plan.config.proxy),
        cache=store.cache,
        checkpoints=store.checkpoints,
        device=device,
        stall=watch.stall,
        memory=int(watch.memory * 2**30),
    )


def train(
    trials: Sequence[Trial], executor: Executor, workspace: Workspace, store: Store, retries: int
) -> Iterator[News]:
    """Train the trials; every record is stored before it is yielded.

    Several commands may share the store: each trains what no other does, and yields one record for
    each of the trials, whichever command trained it.
    """
    locks = Locks(store.locks, 2 * workspace.stall)
    waiting = {trial.id: trial for trial in trials}
    try:
        while waiting:
            ours = _take(waiting, locks, store, retries)
            with closing(executor.run(ours, workspace)) as events:
                for news in events:
                    locks.touch()
                    if isinstance(news, Record):
                        store.write(news)
                        locks.release(news.trial.id)
                        yield from _collect(waiting, store, retries)
                    yield news
            yield from _collect(waiting, store, retries)
            if waiting:
                time.sleep(_PAUSE)
    finally:
        locks.release_all()


_PAUSE = 0.5
"""Seconds between looks at what other commands have done."""


def _take(waiting: dict[str, Trial], locks: Locks, store: Store, retries: int) -> Iterator[Trial]:
    """Lock and yield trials that no other command trains, each when it is asked for.

    They are removed from `waiting`, as are those that ended meanwhile.
    """
    for name in list(waiting):
        if name not in waiting or not locks.acquire(name):
            continue
        if name in store.list_settled(retries):
            locks.release(name)
            continue
        yield waiting.pop(name)


def _collect(waiting: dict[str, Trial], store: Store, retries: int) -> Iterator[Record]:
    """Yield records of trials that other commands ended, and remove these from `waiting`."""
    over = waiting.keys() & store.list_settled(retries)
    records = {record.trial.id: record for record in store.read().records} if over else {}
    for name in over:
        del waiting[name]
        if name in records:  # else its file was damaged since, which the next command repairs
            yield records[name]
