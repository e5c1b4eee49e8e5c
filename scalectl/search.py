"""A search from its grid to its records: candidates -> trials -> executor -> store."""

import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scalectl import files
from scalectl.datasets import Dataset, open_dataset
from scalectl.documents import dump_grid, load_grid
from scalectl.errors import ScalectlError
from scalectl.executors import Executor, Workspace
from scalectl.factory import Baseline
from scalectl.grid import Enumeration, Grid, enumerate_candidates, shrink
from scalectl.store import Store, read
from scalectl.trial import Limits, Progress, Record, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a search will train, before it is trained."""

    grid: Grid
    enumeration: Enumeration
    trials: tuple[Trial, ...]
    """Seed after seed; within a seed in random order."""

    @property
    def training_macs(self) -> int:
        """Multiply-adds of all forward and backward passes over the training images."""
        return sum(
            3 * trial.candidate.cost.macs * trial.data.sizes["train"] * trial.recipe.epochs
            for trial in self.trials
        )


def plan(grid: Grid, baseline: Baseline) -> Plan:
    """Open the data, enumerate, and lay out the trials in blocks.

    Raises `ScalectlError` for unusable data and for a design that leaves no candidate.
    """
    card = _open(grid).card
    if grid.proxy.resolution > card.native and not grid.proxy.allow_upsampling:
        raise ScalectlError(
            f"proxy.resolution is {grid.proxy.resolution} px, but the images of {card.name} carry "
            f"no information above {card.native} px.",
            "Lower it, or set proxy.allow_upsampling = true.",
        )
    native = 2**16 if grid.proxy.allow_upsampling else card.native
    enumeration = enumerate_candidates(
        grid.design, shrink(baseline, grid.proxy, card.classes), native
    )
    trials = [
        Trial(
            baseline=baseline, candidate=candidate, recipe=grid.proxy.recipe, data=card, seed=seed
        )
        for seed in range(grid.seeds)
        for candidate in random.Random(seed).sample(
            enumeration.candidates, len(enumeration.candidates)
        )
    ]
    return Plan(grid=grid, enumeration=enumeration, trials=tuple(trials))


def claim(plan: Plan, run: Path) -> None:
    """Write the plan's grid into the run's folder.

    Raises `ScalectlError` for a folder that cannot be written or that holds another search. More
    seeds, or the same images at another place, are still the same one.
    """
    path = run / "grid.toml"
    if path.exists():
        before = _flatten(asdict(load_grid(path)))
        for key, value in _flatten(asdict(plan.grid)).items():
            if value != before[key] and key not in ("seeds", "proxy.data"):
                raise _describe_stranger(run, f"{key} is {before[key]} there and {value} here")
    if (run / "trials").exists():
        digests = plan.trials[0].data.digests
        if any(record.trial.data.digests != digests for record in read(run).records):
            raise _describe_stranger(run, "it was trained on other images")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ScalectlError(
            f"{run} cannot be written: {problem.strerror}.", "Choose another folder with -o."
        ) from None
    files.replace(path, dump_grid(plan.grid).encode())


def workspace(plan: Plan, folder: Path, jobs: int, device: str) -> Workspace:
    """Where the trials of a plan run on this machine: its cores are divided among the jobs."""
    proxy = plan.grid.proxy
    return Workspace(
        data=proxy.data,
        limits=_limits(plan.grid),
        cache=folder / "cache",
        device=device,
        threads=max(1, count_cores() // jobs),
    )


def remaining(plan: Plan, store: Store) -> list[Trial]:
    """The trials without a final record, in order."""
    final = {record.trial.id for record in store.read().records if record.state.is_final}
    return [trial for trial in plan.trials if trial.id not in final]


def search(
    trials: list[Trial], executor: Executor, workspace: Workspace, store: Store
) -> Iterator[Progress | Record]:
    """Run the trials; every record is stored before it is yielded."""
    for news in executor.run(trials, workspace):
        if isinstance(news, Record):
            store.write(news)
        yield news


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
