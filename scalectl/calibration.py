"""How long a plan takes on this machine: a short probe, and what follows from it.

The probe trains some networks of the plan on a part of the images, by the same executor, as many at
once as the search, in a folder that is removed. Their epochs fit non-negative seconds per image for
each multiply-add, activation and block: compute alone does not tell, since activations move memory
and each block costs its calls. What a trial costs beside is measured too: its start, the scores
after its last epoch, and for each resolution the drawing of the images, which is then cached.
"""

import heapq
import math
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.optimize import nnls

from scalectl import search
from scalectl.datasets import SPLITS, open_dataset
from scalectl.datasets.cache import rendered
from scalectl.errors import ScalectlError
from scalectl.executors import Executor, Group, Workspace
from scalectl.search import Plan
from scalectl.store import Store
from scalectl.trial import Candidate, DataCard, Limits, Progress, Record, Trial

_PART = 1 / 40
"""Of the steps of the search, so that the probe takes a small part of its time."""
_FEWEST, _MOST = 4, 12
"""Steps of an epoch of the probe."""
_EPOCHS = 2
"""The first one warms up, and the second one is measured."""
_TIMES = 2
"""That each network is trained: what else the machine does comes and goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What trials cost on this machine, `jobs` of them at once. All times are in seconds."""

    jobs: int
    boot: float
    """Before the first trial starts."""
    start: float
    """From the start of a trial to its first step, beyond what later steps take."""
    rates: tuple[float, float, float]
    """For each training image of an epoch, evaluation included: per MAC, activation and block."""
    tail: float
    """What follows the last epoch, in epochs."""
    opening: float = 0.0
    """To open the data."""
    drawing: float = 0.0
    """To check and to render one image, once for each resolution."""

    def predict(self, trial: Trial) -> float:
        """Of one trial, its images drawn."""
        each = sum(
            rate * size for rate, size in zip(self.rates, _sizes(trial.candidate), strict=True)
        )
        return self.start + each * trial.data.sizes["train"] * (trial.recipe.epochs + self.tail)

    def estimate(self, trials: Sequence[Trial]) -> float:
        """Of a search, from its beginning to the end of its last trial; 0 without any trial."""
        drawn = set[int]()
        seconds = []
        for trial in trials:
            resolution = trial.candidate.architecture.resolution
            load = 0.0 if resolution in drawn else self._load(trial.data)
            drawn.add(resolution)
            seconds.append(load + self.predict(trial))
        return self.boot + schedule(seconds, self.jobs) if seconds else 0.0

    def _load(self, data: DataCard) -> float:
        # Each of the two splits opens the data anew.
        return 2 * self.opening + self.drawing * (data.sizes["train"] + data.sizes["select"])


@dataclass(slots=True)
class _Watched:
    """When a probe's trial was begun, finished its epochs, and ended."""

    begun: float
    epochs: list[float] = field(default_factory=list)
    ended: float = math.nan

    @property
    def epoch(self) -> float:
        return self.epochs[1] - self.epochs[0]


def calibrate(plan: Plan, executor: Executor, device: str) -> Calibration:
    """Train some networks of the plan for seconds. Raises `ScalectlError` where one of them fails."""
    with TemporaryDirectory(prefix="scalectl-") as name:
        chosen = choose(plan.enumeration.candidates)
        workspace = search.workspace(plan, Store(Path(name)), device)
        together = min(workspace.seeds_per_step, plan.grid.seeds)
        workspace = replace(workspace, limits=_limit(plan, len(chosen) * _TIMES * together))
        card, opening, drawing = _draw(workspace, chosen)
        recipe = replace(plan.trials[0].recipe, epochs=_EPOCHS)
        trials = [
            replace(plan.trials[0], candidate=candidate, recipe=recipe, data=card, seed=seed)
            for seed in range(0, _TIMES * together, together)
            for candidate in chosen
        ]
        boot, watched = _watch(trials, together, executor, workspace)
    return Calibration(
        jobs=executor.jobs,
        boot=boot,
        start=max(0.0, statistics.median(one.epochs[0] - one.begun - one.epoch for one in watched))
        / together,
        rates=fit(
            [_sizes(trial.candidate) for trial in trials],
            [one.epoch / card.sizes["train"] / together for one in watched],
        ),
        tail=statistics.median((one.ended - one.epochs[-1]) / one.epoch for one in watched),
        opening=opening,
        drawing=drawing,
    )


def choose(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those with the least and the most of each size: six at most, whatever lies between."""
    known = {candidate.fingerprint: candidate for candidate in candidates}
    ends = [
        end(known.values(), key=lambda one: _sizes(one)[size])
        for size in range(3)
        for end in (min, max)
    ]
    return list({one.fingerprint: one for one in ends}.values())


def fit(sizes: Sequence[tuple[int, int, int]], seconds: Sequence[float]) -> tuple[float, float, float]:  # fmt: skip
    """Non-negative rates, one for each size, with the least squares of relative errors."""
    measured = np.array(seconds)
    weighted = np.array(sizes, float) / measured[:, None]
    scale = weighted.max(axis=0)
    rates, _ = nnls(weighted / scale, np.ones(len(measured)))
    macs, activations, blocks = (float(rate) for rate in rates / scale)
    return macs, activations, blocks


def schedule(seconds: Iterable[float], jobs: int) -> float:
    """When the last one ends, where each starts in order as soon as one of `jobs` is free."""
    free = [0.0] * jobs
    for duration in seconds:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def _sizes(candidate: Candidate) -> tuple[int, int, int]:
    cost, network = candidate.cost, candidate.architecture
    return cost.macs, cost.activations, round(network.depth)


def _limit(plan: Plan, trials: int) -> Limits:
    """A part of the images, the same of both splits, that has each class to train on."""
    first = plan.trials[0]
    steps = sum(trial.steps for trial in plan.trials) * _PART / (trials * _EPOCHS)
    batches = min(max(round(steps), _FEWEST), _MOST)
    train = min(
        max(batches * first.recipe.batch_size, first.data.classes), first.data.sizes["train"]
    )
    select = math.ceil(first.data.sizes["select"] * train / first.data.sizes["train"])
    return Limits(train, select, 1)


def _draw(workspace: Workspace, chosen: Sequence[Candidate]) -> tuple[DataCard, float, float]:
    """Fill the cache; the card, the seconds to open the data, and those that each image takes."""
    begun = time.monotonic()
    dataset = open_dataset(workspace.data, workspace.limits)
    opened = time.monotonic()
    card = dataset.card
    checked = time.monotonic()
    resolutions = {candidate.architecture.resolution for candidate in chosen}
    for resolution in resolutions:
        for split in SPLITS[:2]:
            rendered(card, split, resolution, workspace.cache, lambda: dataset)
    drawn = (time.monotonic() - checked) / len(resolutions)
    images = card.sizes["train"] + card.sizes["select"]
    # As for opening: each of the two splits is checked with the whole.
    return card, opened - begun, (2 * (checked - opened) + drawn) / images


def _watch(
    trials: Sequence[Trial], together: int, executor: Executor, workspace: Workspace
) -> tuple[float, list[_Watched]]:
    """The seconds before the first trial, and what was seen of each, which leads a group."""
    watched: dict[str, _Watched] = {}

    def feed() -> Iterator[Group]:
        # More than are waited for: until the last one is in, the machine is as busy as in the search.
        for more in count(step=_TIMES * together):
            for trial in trials:
                first = trial.seed + more
                group = [replace(trial, seed=seed) for seed in range(first, first + together)]
                watched[group[0].id] = _Watched(time.monotonic())
                yield group

    called = time.monotonic()
    waiting = {trial.id for trial in trials}
    with closing(executor.run(feed(), workspace)) as events:
        for news in events:
            if (one := watched.get(news.trial.id)) is None:
                continue
            if isinstance(news, Progress):
                one.epochs.append(time.monotonic())
            elif isinstance(news, Record):
                one.ended = time.monotonic()
                if len(one.epochs) < _EPOCHS:
                    raise ScalectlError(f"A training of the probe failed: {news.error}.")
                waiting.discard(news.trial.id)
            if not waiting:
                break
    seen = [watched[trial.id] for trial in trials]
    return seen[0].begun - called, seen
