"""Estimate how long a search of architectures takes, and choose as many networks as fit into a time.

What samplers will propose rests on results; the first networks, which are known, stand for them.
"""

from bisect import bisect_right
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from scalectl.errors import ScalectlError
from scalectl.parsing import humanise
from scalectl.search.architectures import proposals
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.plan import ArchitecturePlan
from scalectl.search.estimate import Estimate
from scalectl.search.resume import recall_config
from scalectl.store.reader import ReadResult
from scalectl.trial import Trial

MOST_TRIALS = 100_000


def count_confirmations(config: ArchitectureConfig) -> int:
    """Count the trainings that may confirm the winner, the baseline and the best random network."""
    return 3 * config.confirm_seeds


def list_left(plan: ArchitecturePlan, before: ReadResult) -> list[Trial]:
    """List as many trials as are left at most, confirmations included, of networks like those to come."""
    ended = sum(record.state.is_final for record in before.records)
    most = proposals.at_most(plan.config) + count_confirmations(plan.config)
    return list(islice(cycle(proposals.list_first(plan)), max(0, most - ended)))


def recall_plan(plan: ArchitecturePlan, run: Path, before: ReadResult) -> ArchitecturePlan | None:
    """Return the plan that was chosen for the same time when the run was begun, or None."""
    stored = recall_config(plan.config, run, before)
    return _resize(plan, stored.trials) if stored else None


def choose_plan(
    plan: ArchitecturePlan, before: ReadResult, estimate: Estimate, most_trials: int
) -> tuple[ArchitecturePlan, float]:
    """Choose the most trials of each sampler that fit into `planned_for`; what is in the run takes no time.

    Return the plan, and an estimate in seconds for what is not in the run yet. Raises `ScalectlError`
    where not one of them fits.
    """

    def take(trials: int) -> float:
        return estimate(list_left(_resize(plan, trials), before))

    budget = plan.config.planned_for
    fitting = bisect_right(range(1, most_trials + 1), budget, key=take)
    if not fitting:
        raise ScalectlError(
            f"One network and its confirmation take about {humanise(take(1))}, more than the "
            f"--time-budget of {humanise(budget)}.",
            "Raise it, or make trials shorter, such as with --set proxy.epochs=1 --set confirm_seeds=2.",
        )
    return _resize(plan, fitting), take(fitting)


def _resize(plan: ArchitecturePlan, trials: int) -> ArchitecturePlan:
    return replace(plan, config=replace(plan.config, trials=trials))
