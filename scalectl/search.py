"""A search from its grid to its records: candidates -> trials -> executor -> store."""

import random
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from scalectl import files
from scalectl.contents import Damaged, Reading, survey
from scalectl.datasets import Dataset, open_dataset
from scalectl.documents import dump_grid, load_grid
from scalectl.errors import ScalectlError
from scalectl.executors import Executor, Group, Workspace
from scalectl.factory import Baseline
from scalectl.grid import Enumeration, Grid, enumerate_candidates, shrink, spread
from scalectl.leases import Leases
from scalectl.seals import seal
from scalectl.store import Store
from scalectl.trial import Candidate, DataCard, Limits, News, Record, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a search will train, before it is trained, as far as no strategy decides it later."""

    grid: Grid
    enumeration: Enumeration
    trials: tuple[Trial, ...]
    """Seed after seed; within a seed in random order."""

    @property
    def baseline(self) -> Baseline:
        """The proxy, which the candidates are sizes of."""
        return self.enumeration.candidates[0].architecture

    @property
    def native(self) -> int:
        """The largest resolution, in pixels, that candidates may have."""
        return _limit_resolution(self.grid, self.trials[0].data)


def count_macs(trials: Iterable[Trial]) -> int:
    """Multiply-adds of all forward and backward passes over the training images."""
    return sum(
        3 * trial.candidate.cost.macs * trial.data.sizes["train"] * trial.recipe.epochs
        for trial in trials
    )


def plan(grid: Grid, baseline: Baseline) -> Plan:
    """Open the data, and lay out its trials. Raises as `lay_out` does, and for unusable data."""
    return lay_out(grid, baseline, _open(grid).card)


def lay_out(grid: Grid, baseline: Baseline, card: DataCard) -> Plan:
    """Enumerate, and lay out the trials in blocks.

    Raises `ScalectlError` for images that are too small, and for a design that leaves no candidate.
    """
    if grid.proxy.resolution > card.native and not grid.proxy.allow_upsampling:
        raise ScalectlError(
            f"proxy.resolution is {grid.proxy.resolution} px, but the images of {card.name} carry "
            f"no information above {card.native} px.",
            "Lower it, or set proxy.allow_upsampling = true.",
        )
    enumeration = enumerate_candidates(
        grid.design,
        shrink(baseline, grid.proxy, card.classes),
        _limit_resolution(grid, card),
        controls_only=grid.strategy.kind == "optuna",
    )
    return _lay_out(grid, baseline, card, enumeration)


def resize(plan: Plan, seeds: int, max_candidates: int) -> Plan:
    """The plan with so many seeds, and with so many of its candidates beside the baseline; 0 means all."""
    design = replace(plan.grid.design, max_candidates=max_candidates)
    first, *others = plan.enumeration.candidates
    enumeration = replace(plan.enumeration, candidates=(first, *spread(others, max_candidates)))
    one = plan.trials[0]
    return _lay_out(
        replace(plan.grid, seeds=seeds, design=design), one.baseline, one.data, enumeration
    )


def _lay_out(grid: Grid, baseline: Baseline, card: DataCard, enumeration: Enumeration) -> Plan:
    candidates = enumeration.candidates
    like = Trial(
        baseline=baseline, candidate=candidates[0], recipe=grid.proxy.recipe, data=card, seed=0
    )
    trials = [trial for seed in range(grid.seeds) for trial in make_block(like, candidates, seed)]
    return Plan(grid=grid, enumeration=enumeration, trials=tuple(trials))


def make_block(like: Trial, candidates: Sequence[Candidate], seed: int) -> list[Trial]:
    """A block: each candidate once, in random order."""
    order = random.Random(seed).sample(candidates, len(candidates))
    return [replace(like, candidate=candidate, seed=seed) for candidate in order]


def _limit_resolution(grid: Grid, card: DataCard) -> int:
    return 2**16 if grid.proxy.allow_upsampling else card.native


def claim(plan: Plan, run: Path) -> tuple[Store, tuple[Damaged, ...]]:
    """Open the run's folder for a plan; the second are the files that were set aside as damaged.

    Raises `ScalectlError` for a folder that cannot be written, or that holds another search. More
    seeds or candidates, more points of a sampler, the same images at another place, or another watch,
    are still the same one; but where a strategy decides by means over seeds, they are a part of it.
    """
    before = look(plan, run)
    path, grid = run / "grid.toml", _strip_places(plan.grid)
    store = Store(run)
    store.tidy()
    store.quarantine(before.damaged)
    content = seal(dump_grid(grid).encode(), path.suffix)
    if not files.publish(path, content):
        # With that of a command that started at the same moment.
        compare_grids(run, grid, read_grid(run, ()))
        files.replace(path, content)
    return store, before.damaged


def look(plan: Plan, run: Path) -> Reading:
    """What is in the run's folder, if there is one. Raises `ScalectlError` for another search's."""
    before = survey(run) if (run / "FORMAT.json").exists() else Reading()
    compare_grids(run, _strip_places(plan.grid), read_grid(run, before.damaged))
    ours = plan.trials[0]
    compare_trials(run, before.records, ours)
    return before


def compare_trials(run: Path, records: Iterable[Record], ours: Trial) -> None:
    """Raises `ScalectlError` where a record of the run is not of the search of our trial."""
    for trial in (record.trial for record in records):
        if trial.data.digests != ours.data.digests:
            raise _describe_stranger(run, "it was trained on other images")
        searched = trial.stage == "search" and trial.recipe != ours.recipe
        if searched or trial.baseline != ours.baseline:
            raise _describe_stranger(run, "its baseline or its recipe is another one")


def read_grid(run: Path, damaged: Sequence[Damaged]) -> Grid | None:
    """The run's own, if it has one, and that is not among its damaged files."""
    path = run / "grid.toml"
    if not path.exists() or path in [one.path for one in damaged]:
        return None
    return load_grid(path)


_FREE = (
    *("proxy.data", "planned_for", "strategy.points"),
    *("select.", "confirm.", "fidelity.", "watch.", "resources."),
)
"""What may change from one command to the next: it decides no result, or adds to what is there."""


def compare_grids(run: Path, grid: Grid, stored: Grid | None) -> None:
    """Raises `ScalectlError` where the stored one, if there is one, asks for something else."""
    there = _flatten(asdict(stored or grid))
    # More of them would change what an adaptive search has decided.
    more = ("seeds", "design.max_candidates") if grid.strategy.kind == "all" else ()
    for key, value in _flatten(asdict(grid)).items():
        if value != there[key] and not key.startswith((*_FREE, *more)):
            raise _describe_stranger(run, f"{key} is {there[key]} there and {value} here")


def workspace(plan: Plan, store: Store, device: str) -> Workspace:
    """What the trials of a plan share on this machine."""
    watch = plan.grid.watch
    return Workspace(
        data=plan.grid.proxy.data,
        limits=_limits(plan.grid),
        cache=store.cache,
        checkpoints=store.checkpoints,
        device=device,
        stall=watch.stall,
        memory=int(watch.memory * 2**30),
        seeds_per_step=plan.grid.resources.seeds_per_step,
    )


def remaining(trials: Sequence[Trial], plan: Plan, store: Store) -> list[Trial]:
    """Those that have not ended, and have not failed too often, in order."""
    over = store.list_over(plan.grid.watch.retries)
    return [trial for trial in trials if trial.id not in over]


def read_over(store: Store, retries: int) -> dict[str, Record]:
    """The records of all trials that `remaining` leaves out, by id: they will not change.

    Raises `ScalectlError` where one cannot be read, since no strategy may decide without it.
    """
    over = store.list_over(retries)
    records = {one.trial.id: one for one in store.read().records if one.trial.id in over}
    for name in sorted(over - records.keys()):
        raise ScalectlError(
            f"The record of trial {name} was damaged while the search ran, and what is trained next "
            "rests on it.",
            "Run the same command again: it makes it anew.",
            exit_code=3,
        )
    return records


def search(
    trials: Sequence[Trial], executor: Executor, workspace: Workspace, store: Store, retries: int
) -> Iterator[News]:
    """Run the trials; every record is stored before it is yielded.

    Other commands may share the store: each trains what no other one does, and yields the records
    of all: one for each trial.
    """
    leases = Leases(store.locks, 2 * workspace.stall)
    waiting = {trial.id: trial for trial in trials}
    try:
        while waiting:
            ours = _take(waiting, leases, store, retries, workspace.seeds_per_step)
            with closing(executor.run(ours, workspace)) as events:
                for news in events:
                    leases.renew()
                    if isinstance(news, Record):
                        store.write(news)
                        leases.release(news.trial.id)
                        yield from _collect(waiting, store, retries)
                    yield news
            yield from _collect(waiting, store, retries)
            if waiting:
                time.sleep(_PAUSE)
    finally:
        leases.release_all()


_PAUSE = 0.5
"""Seconds between looks at what other commands have done."""


def _take(
    waiting: dict[str, Trial], leases: Leases, store: Store, retries: int, most: int
) -> Iterator[Group]:
    """The trials that no other command trains, each when it is asked for; they wait no longer.

    A group is the next one in order, with other seeds of its network up to `most` in all.
    """
    alike: dict[Hashable, list[str]] = {}
    for trial in waiting.values():
        alike.setdefault(_describe_all_but_seed(trial), []).append(trial.id)

    def is_ours(name: str) -> bool:
        if name not in waiting or not leases.take(name):
            return False
        if name in store.list_over(retries):
            leases.release(name)
            return False
        return True

    for first in list(waiting):
        if not is_ours(first):
            continue
        group = [waiting.pop(first)]
        others = filter(is_ours, alike[_describe_all_but_seed(group[0])])
        group += [waiting.pop(name) for name in islice(others, most - 1)]
        yield group


def _describe_all_but_seed(trial: Trial) -> Hashable:
    return trial.candidate.fingerprint, trial.recipe, trial.stage


def _collect(waiting: dict[str, Trial], store: Store, retries: int) -> Iterator[Record]:
    """What other commands have brought to an end; it waits no longer."""
    over = waiting.keys() & store.list_over(retries)
    records = {one.trial.id: one for one in store.read().records} if over else {}
    for name in over:
        del waiting[name]
        if name in records:  # else its file was damaged since, which the next command repairs
            yield records[name]


def _strip_places(grid: Grid) -> Grid:
    """As it may be stored: the path of a file or folder is its last name (PROMISES 12)."""
    kind, _, place = grid.proxy.data.partition(":")
    data = f"{kind}:{Path(place).name}" if place else kind
    baseline = grid.baseline if ":" in grid.baseline else Path(grid.baseline).name
    return replace(grid, baseline=baseline, proxy=replace(grid.proxy, data=data))


def _flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flatten(value, f"{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _describe_stranger(run: Path, difference: str) -> ScalectlError:
    return ScalectlError(
        f"{run} holds another search: {difference}.", "Choose another folder with -o."
    )


def _open(grid: Grid) -> Dataset:
    return open_dataset(grid.proxy.data, _limits(grid))


def _limits(grid: Grid) -> Limits:
    return Limits(grid.proxy.train_images, grid.proxy.select_images, grid.proxy.test_images)
