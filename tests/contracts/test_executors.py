import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest
import ray
from factories import TINY
from processes import find_processes

from scalectl.arch.loading import find_baseline
from scalectl.executors import CLUSTERS, EXECUTORS, Cluster, Executor, hardware, make_executor
from scalectl.search.config import load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.training.workspace import Workspace
from scalectl.trial import Progress, Record, State, Trial

ADDRESSES = {"slurm": "local"}
"""Where it is no cluster of several machines; Ray starts its own."""


def make(name: str, jobs: int) -> Executor:
    return make_executor(name, jobs, Cluster(address=ADDRESSES.get(name, "")))


@pytest.fixture(autouse=True)
def cpu_for_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor of GPUs trains on the device that it is told."""
    monkeypatch.setattr(hardware, "count_gpus", lambda: 1)


@pytest.fixture(scope="module", autouse=True)
def ray_ends() -> Iterator[None]:
    yield
    ray.shutdown()


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_trial_gets_one_record(name: str, tiny: Plan, workspace: Workspace) -> None:
    """A trial that fails is one of them, and the others do not notice."""
    first = tiny.trials[0]
    broken = replace(first, seed=7, data=replace(first.data, digests=dict.fromkeys("ab", "")))
    trials = [broken, *tiny.trials[:2]]
    news = list(make(name, 2).run(trials, workspace))
    records = {event.trial.id: event.state for event in news if isinstance(event, Record)}
    assert len([event for event in news if isinstance(event, Record)]) == 3
    assert records == {
        broken.id: State.ERROR,
        tiny.trials[0].id: State.DONE,
        tiny.trials[1].id: State.DONE,
    }


def test_results_do_not_depend_on_where_and_when(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """To the last bit: in this process or in others, one or two at once, in any order."""
    trials = tiny.trials[:3]

    def train(name: str, jobs: int, order: Sequence[Trial]) -> dict[str, object]:
        place = replace(workspace, checkpoints=tmp_path / f"{name} {jobs} {order[0].id}")
        news = list(make(name, jobs).run(order, place))
        return {
            event.trial.id: (event.curve, event.top1, event.train_loss, event.environment)
            for event in news
            if isinstance(event, Record)
        }

    expected = train("inline", 1, trials)
    assert len(expected) == 3
    for name in CLUSTERS:
        assert train(name, 2, trials) == expected
    for name in EXECUTORS.keys() - CLUSTERS:
        for jobs in (1, 2):
            assert train(name, jobs, trials) == expected
            assert train(name, jobs, trials[::-1]) == expected


def test_a_killed_process_takes_its_own_trial_alone(tiny: Plan, workspace: Workspace) -> None:
    """SIGKILL in the middle of a training, as the kernel does when memory is short."""
    (victim, other), state = tiny.trials[:2], {}
    for news in make_executor("processes", 1).run([victim, other], workspace):
        if isinstance(news, Record):
            state[news.trial.id] = news.state, news.error
        elif news.trial.id == victim.id:
            for process in multiprocessing.active_children():
                process.kill()
    killed, reason = state[victim.id]
    assert killed is State.KILLED
    assert reason.startswith("the process was killed by SIGKILL")
    assert state[other.id] == (State.DONE, "")


def test_a_killed_trial_goes_on_from_its_last_epoch(tiny: Plan, workspace: Workspace) -> None:
    """In another process, and to the same bits."""
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, epochs=6))
    elsewhere = replace(workspace, checkpoints=workspace.checkpoints / "elsewhere")
    *_, expected = make_executor("inline", 1).run([trial], elsewhere)
    epochs, record = [], None
    for _ in range(3):
        for news in make_executor("processes", 1).run([trial], workspace):
            if isinstance(news, Progress):
                epochs.append(news.epoch)
                if epochs in ([1, 2], [1, 2, 3, 4]):
                    for process in multiprocessing.active_children():
                        process.kill()
            elif isinstance(news, Record):
                record = news
    assert record
    assert isinstance(expected, Record)
    assert sorted(set(epochs)) == [1, 2, 3, 4, 5, 6]
    assert len(epochs) <= 6 + 2
    assert (record.curve, record.top1) == (expected.curve, expected.top1)


def test_trials_go_on_when_their_server_is_killed(
    tiny: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it loads, and while it has trials: from a fresh one, and to the same bits."""
    longer = replace(tiny.trials[0].recipe, epochs=4)
    trials = [replace(trial, recipe=longer) for trial in tiny.trials[:2]]
    elsewhere = replace(workspace, checkpoints=workspace.checkpoints / "elsewhere")
    expected = {
        news.trial.id: news.curve
        for news in make_executor("inline", 1).run(trials, elsewhere)
        if isinstance(news, Record)
    }
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    begin = forkserver.ensure_running
    kills = [1]

    def kill_server() -> None:
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]

    def begin_and_fall() -> None:
        begin()
        if kills:
            kills.pop()
            kill_server()

    monkeypatch.setattr(forkserver, "ensure_running", begin_and_fall)
    records, killed = {}, False
    for news in make_executor("processes", 2).run(trials, workspace):
        if isinstance(news, Record):
            assert news.state is State.DONE, news.error
            records[news.trial.id] = news.curve
        elif isinstance(news, Progress) and not killed:
            killed = True
            kill_server()
    assert killed
    assert records == expected


def test_trials_are_taken_when_there_is_room(tiny: Plan, workspace: Workspace) -> None:
    """Not before: another command may have trained them by then."""
    for name in EXECUTORS:
        taken: list[str] = []

        def take(taken: list[str] = taken) -> Iterator[Trial]:
            for trial in tiny.trials[:2]:
                taken.append(trial.id)
                yield trial

        ended = 0
        for news in make(name, 1).run(take(), workspace):
            # Images of the next trials are drawn while a GPU is busy.
            assert len(taken) <= ended + (2 if name == "gpu" else 1)
            ended += isinstance(news, Record)
        assert ended == 2


SEEING = """
import os
from torch import nn


class Net(nn.Module):
    def __init__(self, deep, wide, classes):
        super().__init__()
        layers = [nn.Conv2d(3 if one == 0 else wide, wide, 3, padding=1) for one in range(deep)]
        self.body, self.top = nn.Sequential(*layers), nn.Linear(wide, classes)

    def forward(self, images):
        if images.device.type != "meta" and "CUDA_VISIBLE_DEVICES" in os.environ:
            raise RuntimeError(f"sees GPUs {os.environ['CUDA_VISIBLE_DEVICES']}.")
        return self.top(self.body(images).mean((2, 3)))


def build(depth, width, resolution, num_classes):
    return Net(max(1, round(2 * depth)), max(4, round(8 * width)), num_classes)
"""


def test_a_process_sees_the_gpus_that_its_parent_sees_now(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker of Ray is given others for each trial, while its server lives on."""
    (tmp_path / "seeing.py").write_text(SEEING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    plan = make_plan(load_config(None, [*TINY, "proxy.width=1"]), find_baseline("seeing:build@16"))
    for gpus in ("3", "GPU-7"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        *_, record = make("processes", 1).run(plan.trials[:1], workspace)
        assert isinstance(record, Record)
        assert f"sees GPUs {gpus}." in record.error


LEAVING = """
import multiprocessing, os, subprocess
from torch import nn


class Net(nn.Sequential):
    def forward(self, images):
        if multiprocessing.parent_process():  # a trial, not the process that counts
            environment = {**os.environ, "LEFT_IN": os.getcwd()}
            subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True)
        return super().forward(images)


def build(depth, width, resolution, num_classes):
    wide = max(4, round(8 * width))
    layers = [nn.Conv2d(3, wide, 3), *(nn.Conv2d(wide, wide, 3) for _ in range(round(2 * depth)))]
    return Net(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, num_classes))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("name", ["processes", "gpu"])
def test_what_a_trial_has_started_ends_with_its_process(
    name: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In sessions of their own. What the program itself starts meanwhile is not touched."""
    (tmp_path / "leaving.py").write_text(LEAVING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    plan = make_plan(load_config(None, [*TINY, "proxy.width=1"]), find_baseline("leaving:build@16"))
    mark = f"LEFT_IN={tmp_path}"
    with closing(make(name, 1).run(plan.trials[:1], workspace)) as news:
        next(news)
        assert find_processes(mark)
        own = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    left = find_processes(mark)
    assert own.poll() is None
    own.kill()
    own.wait()
    assert not left


def test_closing_leaves_no_process(tiny: Plan, workspace: Workspace) -> None:
    """As Ctrl-C does."""
    news = make_executor("processes", 2).run(tiny.trials[:2], workspace)
    next(news)
    assert multiprocessing.active_children()
    news.close()
    assert not multiprocessing.active_children()
