"""How many networks samplers need on a simulated objective whose optimum is known.

Each choice of the default space over EfficientNet-B0 adds its own part to the accuracy, and few
dimensions matter much: part k of them is worth 0.8^k of the largest. Nothing is trained.

    python benchmarks/bench_architectures.py [TRUTHS] [TRIALS]
"""

import random
import sys
from collections.abc import Mapping
from statistics import median
from typing import Any

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.space import Space, build_architecture, list_dimensions, read_choices
from scalectl.search.architectures import proposals
from scalectl.search.architectures.config import ArchitectureConfig, Objective
from scalectl.search.architectures.plan import count_macs, make_architecture_plan
from scalectl.trial import Record, State

OPTIMUM = 0.8
SPACE = Space(block=("mbconv", "fused"))
"""Without separable blocks, in which other choices would change nothing."""
Parts = Mapping[str, Mapping[Any, float]]
"""Dimension -> what a network has there -> what that takes from the optimum."""


def invent(seed: int) -> Parts:
    """Draw what each choice takes; the best of each dimension takes nothing."""
    dice = random.Random(seed)
    dimensions = list_dimensions(SPACE, B0)
    parts: dict[str, dict[Any, float]] = {}
    for place, name in enumerate(dice.sample(list(dimensions), len(dimensions))):
        networks = (build_architecture(B0, {name: choice}) for choice in dimensions[name])
        there = list(dict.fromkeys(read_choices(B0, network)[name] for network in networks))
        losses = [0.0, *(0.05 * 0.8**place * dice.uniform(0.5, 1) for _ in there[1:])]
        parts[name] = dict(zip(there, dice.sample(losses, len(losses)), strict=True))
    return parts


def measure(network: Architecture, parts: Parts) -> float:
    """Return the accuracy of a network."""
    choices = read_choices(B0, network)
    return OPTIMUM - sum(losses[choices[name]] for name, losses in parts.items())


def search(sampler: str, parts: Parts, trials: int) -> tuple[int | None, float]:
    """Return after how many networks the best was within 1 %, None if never, and the best in the end."""
    config = ArchitectureConfig(
        trials=trials,
        samplers=(sampler,),  # type: ignore[arg-type]
        objective=Objective(exponent=0.0),
        space=SPACE,
    )
    records: dict[str, Record] = {}
    plan, count, best, reached = make_architecture_plan(config, B0), 0, 0.0, None
    for round_ in proposals.rounds(plan, lambda: records, count_macs):
        for trial in round_:
            if trial.id in records:
                continue
            assert isinstance(trial.baseline, Architecture)
            top1 = measure(trial.baseline, parts)
            records[trial.id] = Record(trial=trial, state=State.DONE, top1=top1)
            count, best = count + 1, max(best, top1)
            if reached is None and best >= 0.99 * OPTIMUM:
                reached = count
    return reached, best


def main() -> None:
    truths, trials = (int(text) for text in (*sys.argv[1:], "5", "300")[:2])
    for sampler in ("tpe", "nsga2", "random"):
        searches = [search(sampler, invent(seed), trials) for seed in range(truths)]
        needed = sorted(trials + 1 if count is None else count for count, _ in searches)
        left = 1 - median(best for _, best in searches) / OPTIMUM
        middle = f"> {trials}" if median(needed) > trials else f"{median(needed):g}"
        print(
            f"{sampler:7} within 1 % after {middle} networks in the median of {truths} "
            f"({sum(count is not None for count, _ in searches)} reached it); after {trials} the best is "
            f"{left:.1%} below the optimum",
            flush=True,
        )


if __name__ == "__main__":
    main()
