"""What progressive training saves, and what it costs: pairs of trainings that differ in nothing else.

Seconds are those of the processor, so that what else runs on the machine does not matter.

    python benchmarks/bench_progressive.py [SEEDS] [EPOCHS]
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
from scalectl.search.config import load_config
from scalectl.search.engine import make_workspace
from scalectl.search.plan import make_plan
from scalectl.store.writer import Store
from scalectl.training import loop
from scalectl.training.workspace import Workspace
from scalectl.trial import Record, State, Trial

SETTINGS = (
    "proxy.train_images=1200",
    "proxy.width=0.5",
    "proxy.resolution=24",
    "proxy.downsampling=8",
    "strategy.kind=all",
)


def measure(trial: Trial, workspace: Workspace) -> tuple[float, float]:
    """Train; return the seconds of the processor, and the log-loss."""
    began = time.process_time()
    *_, record = loop.run(trial, workspace)
    assert isinstance(record, Record)
    assert record.state is State.DONE, record.error
    assert record.loss is not None
    return time.process_time() - began, record.loss


def main() -> None:
    seeds, epochs = (int(text) for text in (*sys.argv[1:], *("8", "4")[len(sys.argv) - 1 :]))
    torch.set_num_threads(1)
    baseline = find_baseline("grids/networks/small_efficientnet.toml")
    plan = make_plan(load_config(None, [*SETTINGS, f"proxy.epochs={epochs}"]), baseline)
    plain = plan.trials[0]
    small = replace(plain, recipe=replace(plain.recipe, progressive=True))
    sizes = ", ".join(str(small.size_at(epoch)) for epoch in range(1, epochs + 1))
    print(f"{epochs} epochs of {sizes} px, or of {plain.size_at(1)} px all; {seeds} seeds")
    seconds, losses = [], []
    with tempfile.TemporaryDirectory() as name:
        workspace = make_workspace(plan, Store(Path(name)), "cpu")
        for seed in range(seeds):
            pair = [measure(replace(trial, seed=seed), workspace) for trial in (plain, small)]
            print(
                f"seed {seed}: seconds and log-loss, plain {pair[0]}, progressive {pair[1]}",
                flush=True,
            )
            seconds.append(pair[1][0] / pair[0][0])
            losses.append(pair[1][1] - pair[0][1])
    interval = stats.ttest_1samp(losses, 0).confidence_interval()
    macs = small.count_macs(epochs) / plain.count_macs(epochs)
    print(
        f"progressive takes {fmean(seconds):.2f}x the seconds and {macs:.2f}x the multiply-adds; its "
        f"log-loss differs by {fmean(losses):+.3f} (95 %: {interval.low:+.3f} to {interval.high:+.3f})"
    )


if __name__ == "__main__":
    main()
