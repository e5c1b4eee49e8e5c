"""What thousands of trials ask of the command that drives them, where nothing is trained.

`nox -s load` prints it. Every trial is a real one, with an invented record; everything else is the real
search: locks, records on disk, what is over, compaction, the bars. With --checkpoint, so many bytes
go to its disk after each epoch too, as the checkpoints do that come from Ray.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from scalectl.arch.baselines.efficientnet import B0
from scalectl.report.progress import Live
from scalectl.search import engine, resume
from scalectl.search.config import load_config
from scalectl.search.engine import Round
from scalectl.search.plan import make_plan, resize_plan
from scalectl.search.results import read_results
from scalectl.store import atomic
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Progress, Record, State, Trial


class Pretend:
    """Ends each trial at once; of each, all its epochs are heard."""

    def __init__(self, checkpoint: int) -> None:
        self.jobs = 64
        self._content = os.urandom(checkpoint)

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        for trial in trials:
            curve = tuple(2 - epoch / 10 for epoch in range(trial.recipe.epochs))
            for epoch, loss in enumerate(curve, 1):
                if self._content:
                    atomic.replace(workspace.checkpoints / trial.id, self._content)
                yield Progress(trial=trial, epoch=epoch, train_loss=loss, loss=loss, top1=0.5)
            yield Record(
                trial=trial,
                state=State.DONE,
                top1=0.5 + (int(trial.id, 16) % 1000) / 10_000,
                loss=curve[-1],
                train_top1=0.5,
                train_loss=1.0,
                curve=curve,
                seconds=1.0,
                environment={"torch": "none"},
            )


def main() -> None:
    """Seconds, bytes and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--checkpoint", type=int, default=0, help="Bytes of one, after each epoch.")
    options = parser.parse_args()
    begun = time.monotonic()
    plan = make_plan(load_config(None, ["design.degree=12", "seeds=1"]), B0)
    some = len(plan.trials)
    plan = resize_plan(plan, -(-options.trials // some), 0)
    plan = replace(plan, trials=plan.trials[: options.trials])
    laid_out = time.monotonic()
    print(f"{len(plan.trials)} trials laid out in {laid_out - begun:.1f} s")
    with tempfile.TemporaryDirectory() as name, Live(Console(stderr=True), quiet=True) as live:
        store, _ = resume.claim(plan, Path(name))
        place = engine.make_workspace(plan, store, "cpu")
        live.show(Round(plan.trials))
        executor, ended, started = Pretend(options.checkpoint), 0, time.monotonic()
        for news in engine.train(plan.trials, executor, place, store, 2):
            live.show(news)
            ended += isinstance(news, Record)
            if isinstance(news, Record) and ended % 1000 == 0:
                print(f"{ended} records after {time.monotonic() - started:.1f} s", flush=True)
        driven = time.monotonic() - started
        size = sum(path.stat().st_size for path in Path(name).glob("*/*.parquet"))
        started = time.monotonic()
        results = read_results(Path(name))
        read = time.monotonic() - started
        assert len(results.records) == len(plan.trials)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{ended} trials of {plan.config.proxy.epochs} epochs driven in {driven:.1f} s: "
        f"{1000 * driven / ended:.2f} ms each; {size / 1e6:.2f} MB of records, "
        f"{size / ended:.0f} bytes each; read and chosen from in {read:.1f} s; "
        f"{memory:.0f} MiB of memory"
    )


if __name__ == "__main__":
    main()
