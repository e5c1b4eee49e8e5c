"""The executor of GPUs, with the CPU in their place: real processes, real trainings."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from types import GeneratorType
from typing import Any, cast

import pytest
import torch

from scalectl.errors import ScalectlError
from scalectl.executors import Cluster, gpu, hardware, make_executor
from scalectl.executors.gpu import Gpu
from scalectl.executors.inline import Inline
from scalectl.search.plan import Plan
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Progress, Record, State, Trial


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """One that takes the CPU for its only GPU."""
    monkeypatch.setattr(hardware, "count_gpus", lambda: 1)
    return Gpu(0)


def list_records(news: Iterator[News]) -> dict[str, Record]:
    records = [one for one in news if isinstance(one, Record)]
    assert len({one.trial.id for one in records}) == len(records)
    return {one.trial.id: one for one in records}


def list_scores(records: dict[str, Record]) -> dict[str, tuple[object, ...]]:
    return {name: (one.state, one.loss, one.top1, one.curve) for name, one in records.items()}


def test_trials_side_by_side_end_as_alone(executor: Gpu, tiny: Plan, workspace: Workspace) -> None:
    """To the bit: the neighbours of a trial do not decide it."""
    trials = [*tiny.trials, *(replace(one, seed=one.seed + 1) for one in tiny.trials)]
    together = list_records(executor.run(trials, workspace))
    alone = list_records(Inline(1, Cluster()).run(trials, workspace))
    assert list_scores(together) == list_scores(alone)


def train_and_kill(
    executor: Gpu, trials: Sequence[Trial], workspace: Workspace, kills: int
) -> dict[str, Record]:
    """Kill the process that trains, after the first epochs that are heard of."""
    records = dict[str, Record]()
    with closing(executor.run(trials, workspace)) as events:
        for news in events:
            if isinstance(news, Record):
                records[news.trial.id] = news
            elif isinstance(news, Progress) and kills and news.epoch < news.trial.recipe.epochs:
                kills -= 1
                frame = cast("GeneratorType[Any, Any, Any]", events).gi_frame
                assert frame is not None
                (worker,) = frame.f_locals["pool"]._workers
                os.kill(worker.process.pid, signal.SIGKILL)
    return records


def test_a_lost_process_loses_no_trial(executor: Gpu, tiny: Plan, workspace: Workspace) -> None:
    """What it trained goes on in a fresh one, with the same results."""
    trials = [replace(one, recipe=replace(one.recipe, epochs=6)) for one in tiny.trials[:3]]
    undisturbed = list_records(Inline(1, Cluster()).run(trials, workspace))
    records = train_and_kill(executor, trials, workspace, kills=1)
    assert list_scores(records) == list_scores(undisturbed)


def test_a_trial_whose_process_dies_alone_is_a_record(
    executor: Gpu, tiny: Plan, workspace: Workspace
) -> None:
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, epochs=20))
    (record,) = train_and_kill(executor, [trial], workspace, kills=1).values()
    assert record.state is State.KILLED
    assert "SIGKILL" in record.error


def test_rounds_share_a_process_and_a_stopped_run_leaves_none(
    executor: Gpu, tiny: Plan, workspace: Workspace
) -> None:
    """Loading torch's and CUDA's libraries takes longer than a round."""
    first, second, third = tiny.trials[:3]
    list_records(executor.run([first], workspace))
    (process,) = multiprocessing.active_children()
    (record,) = list_records(executor.run([second], workspace)).values()
    assert record.state is State.DONE
    assert multiprocessing.active_children() == [process]
    with closing(executor.run([third], workspace)) as events:
        next(events)
    assert multiprocessing.active_children() == []


def test_trials_that_fill_a_gpu_run_alone(tiny: Plan, workspace: Workspace) -> None:
    """However many may run at once; `--jobs` says otherwise."""
    one, other = tiny.trials[:2]
    large = replace(
        other,
        candidate=replace(other.candidate, cost=replace(other.candidate.cost, activations=10**9)),
    )
    pool = gpu._Pool([], 0, workspace)
    worker = gpu._Worker("cpu", None, None, None, running={one.id: one})  # type: ignore[arg-type]
    pool._most = {"cpu": 16}
    assert pool._has_room(worker, other)
    assert not pool._has_room(worker, large)
    told = gpu._Pool([], 2, workspace)
    told._most = {"cpu": 2}
    assert told._has_room(worker, large)


def test_without_a_gpu_nothing_starts() -> None:
    if hardware.count_gpus():
        pytest.skip("there is one")
    with pytest.raises(ScalectlError, match="no GPU"):
        make_executor("gpu", 0)
    assert not torch.cuda.is_available()
