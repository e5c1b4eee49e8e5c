"""Pairs of trainings that differ in one thing: progressive or not, late stages grown or all of them.

Seconds are those of the processor, so that what else runs on the machine does not matter.

    python benchmarks/bench_pairs.py [progressive|late] [SEEDS] [EPOCHS]
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from scipy import stats

from scalectl.arch.loading import find_baseline
from scalectl.arch.rounding import Spread
from scalectl.arch.scaling import NAMED
from scalectl.search.candidates import make_candidate
from scalectl.search.config import load_config
from scalectl.search.engine import make_workspace
from scalectl.search.plan import Plan, make_plan
from scalectl.store.writer import Store
from scalectl.training import loop
from scalectl.training.workspace import Workspace
from scalectl.trial import Candidate, Record, State, Trial

SMALL = (
    "proxy.train_images=1200",
    "proxy.width=0.5",
    "proxy.resolution=24",
    "proxy.downsampling=8",
)


def measure(trial: Trial, workspace: Workspace) -> tuple[float, float]:
    """Train; return the seconds of the processor, and the log-loss."""
    began = time.process_time()
    *_, record = loop.run(trial, workspace)
    assert isinstance(record, Record)
    assert record.state is State.DONE, record.error
    assert record.loss is not None
    return time.process_time() - began, record.loss


def pair_progressive(plan: Plan) -> tuple[Trial, Trial]:
    """Make the baseline's trial, and the one that begins with small images."""
    plain = plan.trials[0]
    return plain, replace(plain, recipe=replace(plain.recipe, progressive=True))


def pair_late(plan: Plan) -> tuple[Trial, Trial]:
    """Make trials of twice the compute, all of it in depth: uniformly, and in later stages alone."""
    pair = []
    for stages in SPREADS:
        found = make_candidate(
            NAMED["depth"], "depth", plan.config.design, plan.baseline, plan.native, stages=stages
        )
        assert isinstance(found, Candidate)
        pair.append(replace(plan.trials[0], candidate=found))
    return pair[0], pair[1]


SPREADS: tuple[Spread, Spread] = ("uniform", "late")
PAIRS = {
    "progressive": (pair_progressive, "grids/networks/small_efficientnet.toml"),
    "late": (pair_late, "efficientnet_b0"),
}
"""Name -> what makes the two trials, and of which baseline."""


def main() -> None:
    what, seeds, epochs = (*sys.argv[1:], *("progressive", "8", "4")[len(sys.argv) - 1 :])
    torch.set_num_threads(1)
    make, baseline = PAIRS[what]
    settings = [*(SMALL if what == "progressive" else ()), f"proxy.epochs={epochs}"]
    plan = make_plan(load_config(None, settings), find_baseline(baseline))
    plain, other = make(plan)
    seconds, losses = [], []
    with tempfile.TemporaryDirectory() as name:
        workspace = make_workspace(plan, Store(Path(name)), "cpu")
        for seed in range(int(seeds)):
            before, after = (
                measure(replace(trial, seed=seed), workspace) for trial in (plain, other)
            )
            print(f"seed {seed}: seconds and log-loss {before}, {what} {after}", flush=True)
            seconds.append(after[0] / before[0])
            losses.append(after[1] - before[1])
    interval = stats.ttest_1samp(losses, 0).confidence_interval()
    macs = other.count_macs(int(epochs)) / plain.count_macs(int(epochs))
    print(
        f"{what}: {fmean(seconds):.2f}x the seconds and {macs:.2f}x the multiply-adds; the log-loss "
        f"differs by {fmean(losses):+.3f} (95 %: {interval.low:+.3f} to {interval.high:+.3f})"
    )


if __name__ == "__main__":
    main()
