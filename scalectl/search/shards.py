"""Divide the trials of a plan among commands on machines that share no disk."""

import re
from dataclasses import dataclass, replace

from scalectl.errors import ScalectlError
from scalectl.search.plan import Plan


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several shares of a plan."""

    number: int
    """Counted from 1."""
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse(text: str) -> Shard:
    """Read a share such as "1/3". Raises `ValueError` for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"{text!r} is not I/N with I from 1 to N, such as 1/3.")
    return Shard(int(match[1]), int(match[2]))


def take(plan: Plan, shard: Shard) -> Plan:
    """Keep the trials of one shard; all shards together have each trial once.

    Shards have equally many trials of each block, give or take one, small and large ones. Raises
    `ScalectlError` where there are more shards than trials, and for strategies that decide by the
    results of all.
    """
    if plan.config.is_adaptive:
        raise ScalectlError(
            "A shard knows its own results alone, but this strategy decides by those of all.",
            "Use --shard with --set strategy.kind=all, or with --seeds 2; without --shard, several "
            "commands on one folder share any search.",
        )
    if shard.of > len(plan.trials):
        raise ScalectlError(
            f"--shard {shard}: there are only {len(plan.trials)} trials.", "Use fewer shards."
        )
    # Block after block, in each from the cheapest on.
    ordered = sorted(
        plan.trials, key=lambda trial: (trial.seed, trial.candidate.cost.macs, trial.id)
    )
    ours = {trial.id for trial in ordered[shard.number - 1 :: shard.of]}
    return replace(plan, trials=tuple(trial for trial in plan.trials if trial.id in ours))
