"""Estimate how long trials take on this machine, and find the largest plan that fits into a time.

A short probe trains some networks of the plan on a part of the images, by the same executor, in a
folder that is removed. Their epochs fit seconds per image for each multiply-add, activation and
block: compute alone does not tell, since activations move memory and each block costs its calls.
"""

import heapq
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.optimize import nnls

from scalectl.data import SPLITS, open_dataset
from scalectl.data.cache import rendered
from scalectl.errors import ScalectlError
from scalectl.executors import Executor
from scalectl.parsing import humanise
from scalectl.search import engine, followups
from scalectl.search.architectures.plan import ArchitecturePlan
from scalectl.search.plan import Plan, resize_plan
from scalectl.search.resume import recall_config
from scalectl.store.reader import ReadResult
from scalectl.store.writer import Store
from scalectl.training.workspace import Workspace
from scalectl.trial import Candidate, DataCard, Limits, Progress, Record, Trial

_EPOCHS = 2
"""Epochs of a training of the probe: the first one warms up, and the second one is measured."""
_STEPS = 8
"""Steps of an epoch of the probe."""
_MOST_SEEDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Measured speed of training on this machine, `jobs` trials at once; all times are in seconds."""

    jobs: int
    start: float
    """Time of each trial beside its epochs."""
    rates: tuple[float, ...]
    """Time per training image and epoch, evaluation included, for each MAC, activation and block."""
    drawing: float = 0.0
    """Time to render an image, which happens once for each resolution."""

    def predict(self, trial: Trial) -> float:
        """Estimate the seconds of a trial whose images are rendered already."""
        sizes = zip(self.rates, _list_sizes(trial.candidate), strict=True)
        passes = trial.data.sizes["train"] * trial.recipe.epochs
        return self.start + passes * sum(rate * size for rate, size in sizes)

    def estimate(self, trials: Sequence[Trial]) -> float:
        """Estimate the seconds of trials that start in order, each as soon as a job is free."""
        free, rendered_at = [0.0] * self.jobs, set[int]()
        for trial in trials:
            seconds, resolution = self.predict(trial), trial.candidate.architecture.resolution
            if resolution not in rendered_at:
                rendered_at.add(resolution)
                seconds += self.drawing * (trial.data.sizes["train"] + trial.data.sizes["select"])
            heapq.heapreplace(free, free[0] + seconds)
        return max(free)


def probe(
    plan: Plan | ArchitecturePlan, candidates: Iterable[Candidate], executor: Executor, device: str
) -> Speed:
    """Train some of the candidates for seconds. Raises `ScalectlError` where one of them fails."""
    with TemporaryDirectory(prefix="scalectl-") as name:
        workspace = engine.make_workspace(plan, Store(Path(name)), device)
        first = plan.trials[0]
        train = max(_STEPS * first.recipe.batch_size, first.data.classes)
        train = min(train, first.data.sizes["train"])
        select = math.ceil(first.data.sizes["select"] * train / first.data.sizes["train"])
        workspace = replace(workspace, limits=Limits(train, select, 1))
        chosen = choose_networks(candidates)
        card, drawing = _draw(workspace, {network.architecture.resolution for network in chosen})
        recipe = replace(first.recipe, epochs=_EPOCHS)
        like = replace(first, recipe=recipe, data=card)
        trials = [replace(like, candidate=network, seed=s) for s in range(2) for network in chosen]
        began = time.monotonic()
        epochs, wall = _time_epochs(trials, executor, workspace), time.monotonic() - began
    busy = _EPOCHS * sum(epochs.values()) / min(executor.jobs, len(trials))
    sizes = [_list_sizes(trial.candidate) for trial in trials]
    return Speed(
        jobs=executor.jobs,
        start=max(0.0, wall - busy) * min(executor.jobs, len(trials)) / len(trials),
        rates=fit_rates(sizes, [epochs[trial.id] / card.sizes["train"] for trial in trials]),
        drawing=drawing,
    )


def choose_networks(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Choose, for the probe, the networks with the least and the most of each size: six at most."""
    known = {candidate.fingerprint: candidate for candidate in candidates}
    ends = [
        end(known.values(), key=lambda candidate: _list_sizes(candidate)[size])
        for size in range(3)
        for end in (min, max)
    ]
    return list({candidate.fingerprint: candidate for candidate in ends}.values())


def fit_rates(sizes: Sequence[tuple[float, ...]], seconds: Sequence[float]) -> tuple[float, ...]:
    """Fit a non-negative rate for each size, by least squares of relative errors."""
    weighted = np.array(sizes, float) / np.array(seconds)[:, None]
    scale = weighted.max(axis=0)
    rates, _ = nnls(weighted / scale, np.ones(len(seconds)))
    return tuple(float(rate) for rate in rates / scale)


def _list_sizes(candidate: Candidate) -> tuple[int, int, int]:
    cost, network = candidate.cost, candidate.architecture
    return cost.macs, cost.activations, round(network.depth)


def _draw(workspace: Workspace, resolutions: set[int]) -> tuple[DataCard, float]:
    """Render the splits into the cache; return the card, and the seconds for an image at a resolution."""
    dataset = open_dataset(workspace.data, workspace.limits)
    card, began = dataset.card, time.monotonic()
    for resolution in resolutions:
        for split in SPLITS[:2]:
            rendered(card, split, resolution, workspace.cache, lambda: dataset)
    images = (card.sizes["train"] + card.sizes["select"]) * len(resolutions)
    return card, (time.monotonic() - began) / images


def _time_epochs(
    trials: Sequence[Trial], executor: Executor, workspace: Workspace
) -> dict[str, float]:
    """Train, and return the seconds of each trial's last epoch, by id."""
    heard, epochs = dict[str, float](), dict[str, float]()
    with closing(executor.run(trials, workspace)) as events:
        for news in events:
            name, now = news.trial.id, time.monotonic()
            if isinstance(news, Progress):
                epochs[name] = now - heard.get(name, now)
                heard[name] = now
            elif isinstance(news, Record) and not epochs.get(name):
                raise ScalectlError(f"A training of the probe failed: {news.error}.")
    return epochs


Estimate = Callable[[Sequence[Trial]], float]
"""A function from trials, in order, to seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The largest plan that fits into a time."""

    plan: Plan
    seconds: float
    """Estimate for what is not in the run yet."""
    beyond: float | None
    """Estimate for the next larger plan; None where there is none."""
    left_out: tuple[Candidate, ...]


def recall_plan(plan: Plan, run: Path, before: ReadResult) -> Plan | None:
    """Return the plan that was chosen for the same time when the run was begun, or None."""
    stored = recall_config(plan.config, run, before)
    return resize_plan(plan, stored.seeds, stored.design.max_candidates) if stored else None


def choose_plan(
    plan: Plan, before: ReadResult, estimate: Estimate, most_seeds: int | None
) -> Choice:
    """Choose the largest plan that fits into `planned_for`; what is in the run takes no time.

    As many seeds of all candidates as there is time for; where two are too many, fewer candidates
    that still fill the triangle. `plan` has all candidates; `most_seeds` is how many the user asks
    for, if so. Raises `ScalectlError` where nothing fits.
    """
    searched = [
        record.trial
        for record in before.records
        if record.trial.purpose == "search" and not _is_chosen(plan, record.trial)
    ]
    seeds = [trial.seed + 1 - plan.config.first_seed for trial in searched]
    most = max(most_seeds or _MOST_SEEDS, *seeds, 1)
    ended = {_name(record.trial) for record in before.records if record.state.is_final}

    def take(step: tuple[int, int]) -> float:
        sized = resize_plan(plan, *step)
        trials = [*sized.trials, *followups.expect(sized)]
        return estimate([trial for trial in trials if _name(trial) not in ended])

    steps = _list_steps(plan, most)
    known = {candidate.fingerprint for candidate in plan.enumeration.candidates}
    begun = {_name(trial) for trial in searched if trial.candidate.fingerprint in known}
    while not begun <= set(map(_name, resize_plan(plan, *steps[0]).trials)):
        steps = steps[1:]
    fitting = bisect_right(steps, plan.config.planned_for, key=take)
    if not fitting:
        raise _describe_shortage(resize_plan(plan, *steps[0]), take(steps[0]), begun=bool(ended))
    chosen = resize_plan(plan, *steps[fitting - 1])
    kept = {candidate.fingerprint for candidate in chosen.enumeration.candidates}
    return Choice(
        plan=chosen,
        seconds=take(steps[fitting - 1]),
        beyond=take(steps[fitting]) if fitting < len(steps) else None,
        left_out=tuple(c for c in plan.enumeration.candidates if c.fingerprint not in kept),
    )


def _is_chosen(plan: Plan, trial: Trial) -> bool:
    """Whether an adaptive search has chosen the trial, so that no plan has to have it."""
    return plan.config.strategy.kind == "adaptive" and trial.seed >= plan.config.later_seed


def _list_steps(plan: Plan, most_seeds: int) -> list[tuple[int, int]]:
    """List seeds and max_candidates of the balanced plans, the smallest first."""
    others = plan.enumeration.candidates[1:]
    controls = sum(1 for candidate in others if candidate.control)
    everything = plan.config.design.max_candidates
    sizes = [*range(max(controls, 1), len(others)), everything]
    pair = min(2, most_seeds)
    fewest = [(seeds, sizes[0]) for seeds in range(1, pair)]
    thinned = [(pair, size) for size in sizes]
    return [*fewest, *thinned, *((seeds, everything) for seeds in range(pair + 1, most_seeds + 1))]


def _name(trial: Trial) -> tuple[str, int, str]:
    """Return a key by which trials of one plan differ; their id takes longer to compute."""
    return trial.candidate.fingerprint, trial.seed, trial.purpose


def _describe_shortage(smallest: Plan, seconds: float, *, begun: bool) -> ScalectlError:
    networks, seeds = len(smallest.enumeration.candidates), smallest.config.seeds
    what = "To end what is begun" if begun else "The smallest balanced plan"
    return ScalectlError(
        f"{what}, {seeds} seed{'s' * (seeds != 1)} of {networks} networks, takes about "
        f"{humanise(seconds)}, more than the --time-budget of {humanise(smallest.config.planned_for)}.",
        "Raise it, or make trials shorter, such as with --set proxy.epochs=2.",
    )
