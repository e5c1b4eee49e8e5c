"""The executor of GPUs, with the CPU in their place: real processes, real trainings."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from multiprocessing import forkserver
from types import GeneratorType
from typing import Any, cast

import pytest
import torch
from fault_injection import hang, limit_room, work_on_gpu

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
    records = [event for event in news if isinstance(event, Record)]
    assert len({record.trial.id for record in records}) == len(records)
    return {record.trial.id: record for record in records}


def list_scores(records: dict[str, Record]) -> dict[str, tuple[object, ...]]:
    return {
        name: (record.state, record.loss, record.top1, record.curve)
        for name, record in records.items()
    }


def train_alone(trials: Sequence[Trial], workspace: Workspace) -> dict[str, Record]:
    """One after another in this process, which leaves no checkpoint for the others."""
    place = replace(workspace, checkpoints=workspace.checkpoints / "alone")
    return list_records(Inline(1, Cluster()).run(trials, place))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_trials_side_by_side_end_as_alone(
    device: str, executor: Gpu, tiny: Plan, workspace: Workspace
) -> None:
    """To the bit: the neighbours of a trial do not decide it."""
    workspace = replace(workspace, device=device)
    trials = [*tiny.trials, *(replace(trial, seed=trial.seed + 1) for trial in tiny.trials)]
    together = list_records(executor.run(trials, workspace))
    alone = train_alone(trials, workspace)
    assert list_scores(together) == list_scores(alone)


def train_and_kill(
    executor: Gpu, trials: Sequence[Trial], workspace: Workspace, *, server: bool = False
) -> dict[str, Record]:
    """Kill the process that trains, or its server, after the first epoch that is heard of."""
    records, killed = dict[str, Record](), False
    with closing(executor.run(trials, workspace)) as events:
        for news in events:
            if isinstance(news, Record):
                records[news.trial.id] = news
            elif isinstance(news, Progress) and not killed:
                killed = True
                frame = cast("GeneratorType[Any, Any, Any]", events).gi_frame
                assert frame is not None
                (worker,) = frame.f_locals["pool"]._workers
                server_id = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
                os.kill(server_id if server else worker.process.pid, signal.SIGKILL)
    assert killed
    return records


@pytest.mark.parametrize(
    ("device", "epochs"), [("cpu", 4), pytest.param("cuda", 300, marks=pytest.mark.gpu)]
)
def test_a_lost_process_loses_no_trial(
    device: str,
    epochs: int,
    executor: Gpu,
    tiny: Plan,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it trained goes on in a fresh one from its last epoch, with the same results."""
    monkeypatch.setattr(gpu, "_SAVE_EVERY", 0.0)
    workspace = replace(workspace, device=device)
    trials = [
        replace(trial, recipe=replace(trial.recipe, epochs=epochs)) for trial in tiny.trials[:2]
    ]
    undisturbed = train_alone(trials, workspace)
    records = train_and_kill(executor, trials, workspace)
    assert list_scores(records) == list_scores(undisturbed)


def test_a_trial_whose_process_dies_alone_is_a_record(
    executor: Gpu, tiny: Plan, workspace: Workspace
) -> None:
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, epochs=20))
    (record,) = train_and_kill(executor, [trial], workspace).values()
    assert record.state is State.KILLED
    assert "SIGKILL" in record.error


def test_a_killed_server_costs_no_trial(executor: Gpu, tiny: Plan, workspace: Workspace) -> None:
    """Not even one that was alone in its process: it goes on in one of a fresh server."""
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, epochs=8))
    records = train_and_kill(executor, [trial], workspace, server=True)
    undisturbed = train_alone([trial], workspace)
    assert list_scores(records) == list_scores(undisturbed)


def test_a_trial_without_room_beside_others_is_trained_alone(
    executor: Gpu, tiny: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_work", partial(work_on_gpu, partial(limit_room, 1)))
    trials = tiny.trials[:3]
    records = list_records(executor.run(trials, workspace))
    undisturbed = train_alone(trials, workspace)
    assert list_scores(records) == list_scores(undisturbed)


def test_a_trial_without_room_alone_is_out_of_memory(
    executor: Gpu, tiny: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_work", partial(work_on_gpu, partial(limit_room, 0)))
    records = list_records(executor.run(tiny.trials[:2], workspace))
    assert {record.state for record in records.values()} == {State.OUT_OF_MEMORY}
    assert all("CUDA out of memory" in record.error for record in records.values())


def test_a_stalled_process_is_replaced_and_what_stalls_alone_is_a_record(
    executor: Gpu, tiny: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_work", partial(work_on_gpu, partial(hang, 7)))
    stalling, other = replace(tiny.trials[0], seed=7), tiny.trials[1]
    records = list_records(executor.run([stalling, other], replace(workspace, stall=3)))
    assert records[other.id].state is State.DONE
    assert records[stalling.id].state is State.STALLED
    assert records[stalling.id].error == "it took no step for 3 seconds, and was stopped"


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
    first, other = tiny.trials[:2]
    large = replace(
        other,
        candidate=replace(other.candidate, cost=replace(other.candidate.cost, activations=10**9)),
    )
    pool = gpu.Pool([], 0, workspace)
    worker = gpu._Worker("cpu", None, None, None, running={first.id: first})  # type: ignore[arg-type]
    pool._most = {"cpu": 16}
    assert pool._has_room(worker, other)
    assert not pool._has_room(worker, large)
    growing = replace(other, recipe=replace(other.recipe, progressive=True))
    assert not pool._has_room(worker, growing)
    told = gpu.Pool([], 2, workspace)
    told._most = {"cpu": 2}
    assert told._has_room(worker, large)


def test_without_a_gpu_nothing_starts() -> None:
    if hardware.count_gpus():
        pytest.skip("there is one")
    with pytest.raises(ScalectlError, match="no GPU"):
        make_executor("gpu", 0)
    assert not torch.cuda.is_available()
