"""Lay out what a search will train, before it is trained."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scalectl.arch.factory import Baseline, Factory, rehearse
from scalectl.data import open_dataset
from scalectl.errors import ScalectlError
from scalectl.search.candidates import Enumeration, enumerate_candidates, shrink, spread
from scalectl.search.config import Config, Proxy
from scalectl.trial import Candidate, DataCard, Limits, Trial

LEAST_SELECT = 10
"""Fewest images of the select split: the standard error of top-1 is then up to 16 points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The candidates and trials of a search, as far as no strategy decides on them later."""

    config: Config
    enumeration: Enumeration
    trials: tuple[Trial, ...]
    """Seed after seed; within a seed in random order."""

    @property
    def baseline(self) -> Baseline:
        """The proxy, which the candidates are sizes of."""
        return self.enumeration.candidates[0].architecture

    @property
    def may_grow(self) -> bool:
        """Whether results add further trials: by the strategy, or to confirm the choice."""
        config = self.config
        return config.is_adaptive or bool(config.confirm.seeds or config.fidelity.seeds)

    @property
    def searched(self) -> tuple[Any, ...]:
        """What makes this another search than others; more seeds or candidates do not."""
        design = asdict(self.config.design)
        del design["max_candidates"]
        return (
            self.baseline.fingerprint,
            asdict(self.config.proxy.recipe),
            self.trials[0].data.digests,
            design,
            self.config.strategy.kind,
        )

    @property
    def native(self) -> int:
        """The largest resolution, in pixels, that candidates may have."""
        return limit_resolution(self.config, self.trials[0].data)


def count_macs(trials: Iterable[Trial]) -> int:
    """Count the multiply-adds of all forward and backward passes over the training images."""
    return sum(trial.count_macs(trial.recipe.epochs) for trial in trials)


def make_plan(config: Config, baseline: Baseline) -> Plan:
    """Open the data, enumerate the candidates, and lay out the trials in blocks, one for each seed.

    Raises `ScalectlError` for unusable data, as `check_data` does, and for a design that leaves no
    candidate.
    """
    card = open_dataset(config.proxy.data, limits(config.proxy)).card
    check_data(config.proxy, card)
    _check_stages(config, baseline)
    if config.proxy.progressive and isinstance(baseline, Factory):
        raise ScalectlError(
            f"proxy.progressive: {baseline.target} is a factory, which builds for one size of images.",
            "Leave it out.",
        )
    enumeration = enumerate_candidates(
        config.design,
        shrink(baseline, config.proxy, card.classes),
        limit_resolution(config, card),
        controls_only=config.strategy.kind == "optuna",
    )
    smallest = enumeration.candidates[0].architecture
    if isinstance(smallest, Factory):
        rehearse(smallest)
    return _lay_out(config, baseline, card, enumeration)


def _check_stages(config: Config, baseline: Baseline) -> None:
    """Raise `ScalectlError` where `design.stages` asks for what cannot be tried."""
    if config.design.stages == ("uniform",):
        return
    if isinstance(baseline, Factory):
        raise ScalectlError(
            f"design.stages: {baseline.target} is a factory, which spreads its blocks itself.",
            "Leave it out.",
        )
    if config.strategy.kind == "optuna":
        raise ScalectlError(
            "design.stages: the strategy optuna proposes coefficients alone.",
            "Choose strategy.kind adaptive or all.",
        )


def check_data(proxy: Proxy, card: DataCard) -> None:
    """Raise `ScalectlError` for images that are too few to rank by, or too small."""
    if card.sizes["select"] < LEAST_SELECT:
        raise ScalectlError(
            f"{card.name} has {card.sizes['select']} images to choose by (the select split), with "
            f"which networks cannot be ranked; at least {LEAST_SELECT} are needed, some 400 are useful.",
            "Add images, or raise proxy.select_images.",
        )
    if proxy.resolution > card.native and not proxy.allow_upsampling:
        raise ScalectlError(
            f"proxy.resolution is {proxy.resolution} px, but the images of {card.name} carry "
            f"no information above {card.native} px.",
            "Lower it, or set proxy.allow_upsampling = true.",
        )
    if proxy.progressive and proxy.epochs < 2:
        raise ScalectlError(
            "proxy.progressive has small images in early epochs, and proxy.epochs is 1.",
            "Raise proxy.epochs, or leave it out.",
        )


def resize_plan(plan: Plan, seeds: int, max_candidates: int) -> Plan:
    """Change the number of seeds, and of candidates beside the baseline; 0 means all."""
    design = replace(plan.config.design, max_candidates=max_candidates)
    first, *others = plan.enumeration.candidates
    enumeration = replace(plan.enumeration, candidates=(first, *spread(others, max_candidates)))
    trial = plan.trials[0]
    return _lay_out(
        replace(plan.config, seeds=seeds, design=design), trial.baseline, trial.data, enumeration
    )


def _lay_out(config: Config, baseline: Baseline, card: DataCard, enumeration: Enumeration) -> Plan:
    candidates = enumeration.candidates
    like = Trial(
        baseline=baseline,
        candidate=candidates[0],
        recipe=config.proxy.recipe,
        data=card,
        seed=config.first_seed,
    )
    seeds = config.list_seeds(config.seeds)
    trials = [trial for seed in seeds for trial in make_block(like, candidates, seed)]
    return Plan(config=config, enumeration=enumeration, trials=tuple(trials))


def make_block(like: Trial, candidates: Sequence[Candidate], seed: int) -> list[Trial]:
    """Make a block: each candidate once, in random order, like the given trial in all else."""
    order = random.Random(seed).sample(candidates, len(candidates))
    return [replace(like, candidate=candidate, seed=seed) for candidate in order]


def limit_resolution(config: Config, card: DataCard) -> int:
    """Return the largest resolution, in pixels, that a search's candidates may have."""
    return 2**16 if config.proxy.allow_upsampling else card.native


def limits(proxy: Proxy) -> Limits:
    """Return which images of each split a search takes."""
    return Limits(
        train=proxy.train_images,
        select=proxy.select_images,
        test=proxy.test_images,
        skip_bad_images=proxy.skip_bad_images,
        skip_small_images=proxy.skip_small_images,
    )
