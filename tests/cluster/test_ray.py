"""A cluster of a head and two nodes on this machine, of which things are killed (docs/promises.md, 1, 4, 5, 7)."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import ray
from click.testing import CliRunner
from command_server import table
from factories import TINY
from processes import find_processes, wait_until
from ray.cluster_utils import Cluster as Simulated

from scalectl.arch.baselines.efficientnet import B0
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.executors import Cluster, Executor, Resources, gpu, make_executor
from scalectl.search import engine, resume
from scalectl.search.config import load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.training.workspace import Workspace
from scalectl.trial import Progress, Record, State

EPOCHS = 6
SETTINGS = (*TINY, f"proxy.epochs={EPOCHS}")
PART = Resources(cpus=0.5, gpus=1.0)
"""One trial on each node, by its GPU, which is none: they train on the processor."""
MARK = str(uuid4())
"""In the environment of the cluster's processes: others may run one too."""
QUICK = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 2,
}
"""A dead node is found out in a second, not in half a minute."""
NODE = {"num_cpus": 2, "num_gpus": 1}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Simulated]:
    ray.shutdown()  # another module may have started one
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": QUICK}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("SCALECTL_MARK", MARK)
        simulated = Simulated(initialize_head=True, head_node_args=head)
        for _ in range(2):
            simulated.add_node(**NODE)
        yield simulated
        ray.shutdown()
        simulated.shutdown()


@pytest.fixture
def executor(cluster: Simulated) -> Executor:
    return make_executor("ray", 0, Cluster(address=cluster.address, resources=PART))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of the same search in one process."""
    folder = tmp_path_factory.mktemp("inline")
    train(make_executor("inline", 1), folder)
    return table(folder / "run")


def train(
    executor: Executor,
    folder: Path,
    disturb: Callable[[int], None] = lambda _: None,
    device: str = "cpu",
) -> Counter[tuple[str, int]]:
    """Search in `folder`; how often each epoch of each trial was heard of. `disturb` gets how many were."""
    plan = make_plan(load_config(None, SETTINGS), B0)
    store, _ = resume.claim(plan, folder / "run")
    place = engine.make_workspace(plan, store, device)
    heard = Counter[tuple[str, int]]()
    for news in engine.train(
        resume.list_remaining(plan.trials, store, 2), executor, place, store, 0
    ):
        if isinstance(news, Progress):
            heard[news.trial.id, news.epoch] += 1
            print(news.trial.id, news.epoch, flush=True)
            disturb(heard.total())
    return heard


def title(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""  # it has just ended


def list_workers() -> list[int]:
    """Processes of the simulated cluster that train: they are called by the trial, or are actors."""
    name = rb"ray::([0-9a-f]{16}|_Actor)"
    return [process for process in find_processes(MARK) if re.match(name, title(process))]


def test_what_is_killed_costs_no_more_than_an_epoch(
    executor: Executor, cluster: Simulated, expected: str, tmp_path: Path
) -> None:
    """A worker, then both nodes: their trials go on elsewhere, and the table is the same.

    An epoch that was heard of is not trained again: its checkpoint came with it.
    """
    others = [*cluster.worker_nodes]
    killed: list[int] = []

    def kill(heard: int) -> None:
        if heard == 3:
            killed.append(list_workers()[0])
            os.kill(killed[0], signal.SIGKILL)
        elif heard == 12:
            for node in others:
                cluster.remove_node(node, allow_graceful=False)

    node = cluster.add_node(**NODE)
    wait_until(lambda: executor.jobs == 3 * gpu.MOST)
    heard = train(executor, tmp_path, kill)
    assert [*cluster.worker_nodes] == [node]
    assert len(killed) == 1
    cluster.add_node(**NODE)
    assert table(tmp_path / "run") == expected
    assert len(heard) == heard.total() == 5 * EPOCHS


def test_a_killed_command_goes_on(cluster: Simulated, expected: str, tmp_path: Path) -> None:
    """Its checkpoints are on its own disk; what it had begun on nodes does not outlive it."""
    command = [sys.executable, __file__, cluster.address, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = [process.stdout.readline() for _ in range(9)]
        process.kill()
        first += process.stdout
    wait_until(lambda: not list_workers())
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    heard = Counter(first + second.stdout.splitlines(keepends=True))
    assert table(tmp_path / "run") == expected
    assert heard.total() == len(heard)
    unheard = 2  # at most: stored as the command was killed, and not yet printed
    assert 5 * EPOCHS - unheard <= len(heard) <= 5 * EPOCHS
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_trial_whose_workers_are_lost_again_and_again_is_a_record(
    executor: Executor, tiny: Plan, workspace: Workspace
) -> None:
    """Three times without an epoch in between; and the other trial does not notice."""
    victim, other = tiny.trials[:2]
    records = {}
    for news in executor.run([victim, other], workspace):
        if isinstance(news, Record):
            records[news.trial.id] = news
        elif news.trial.id == victim.id and not isinstance(news, Progress):
            for worker in list_workers():
                if victim.id.encode() in title(worker):
                    os.kill(worker, signal.SIGKILL)
    assert records[other.id].state is State.DONE
    assert records[victim.id].state is State.KILLED
    assert "its worker was lost 3 times" in records[victim.id].error


def test_a_trial_may_take_so_much_memory(
    executor: Executor, tiny: Plan, workspace: Workspace
) -> None:
    """Of the node: the trial is watched there as here. A batch of its images alone takes 192 MiB."""
    trial = tiny.trials[0]
    large = replace(trial.candidate.architecture, resolution=1024)
    trial = replace(trial, candidate=replace(trial.candidate, architecture=large))
    news = executor.run([trial], replace(workspace, memory=2**27))
    (record,) = (event for event in news if isinstance(event, Record))
    assert record.state is State.OUT_OF_MEMORY, record.error
    assert "memory" in record.error.lower()


def test_what_no_node_has_is_not_waited_for(cluster: Simulated) -> None:
    """It says what is asked for and what there is."""
    asked = Cluster(address=cluster.address, resources=Resources(cpus=1, gpus=2))
    with pytest.raises(ScalectlError, match="asks for 1 CPUs and 2 GPUs, which no node") as caught:
        make_executor("ray", 0, asked)
    assert "2 and 1" in caught.value.message


def test_a_process_stays_with_its_cluster(executor: Executor, cluster: Simulated) -> None:
    """A search elsewhere is refused, not done here; the same place may be spelled otherwise."""
    port = cluster.address.rpartition(":")[2]
    for address in ("", "auto", f"localhost:{port}"):
        place = Cluster(address=address, resources=PART)
        assert make_executor("ray", 0, place).jobs == executor.jobs
    with socket.create_server(("127.0.0.1", 0)) as another:
        for address in (f"127.0.0.1:{another.getsockname()[1]}", "nowhere"):
            with pytest.raises(ScalectlError, match="connected to the Ray cluster at") as caught:
                make_executor("ray", 0, Cluster(address=address))
            assert cluster.address in caught.value.message
            assert address in caught.value.message


def test_trials_share_a_gpu(cluster: Simulated) -> None:
    """As many as fill those of both nodes; --jobs is less or more. Of a part of one Ray makes a whole."""
    place = Cluster(address=cluster.address, resources=Resources(cpus=0.5, gpus=0.25))
    assert make_executor("ray", 0, place).jobs == 2 * gpu.MOST
    assert make_executor("ray", 3, place).jobs == 3


def test_an_actor_trains_many_trials_at_once(
    executor: Executor, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One on each GPU, here a core. What one was training when it was killed ends in another one."""
    monkeypatch.setattr(gpu, "list_devices", lambda _: ["cpu"])
    actors: list[int] = []

    def kill(heard: int) -> None:
        if heard == 4:
            actors.extend(list_workers())
            os.kill(actors[0], signal.SIGKILL)

    heard = train(executor, tmp_path, kill, device="auto")
    assert len(actors) == 2
    assert len(heard) == 5 * EPOCHS
    assert table(tmp_path / "run") == expected
    assert set(actors) & set(list_workers()) == {actors[1]}


def test_ray_says_which_gpu(cluster: Simulated, tiny: Plan, workspace: Workspace) -> None:
    place = Cluster(address=cluster.address)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(ScalectlError, match="says whether GPUs train"):
            list(
                make_executor("ray", 0, place).run(
                    tiny.trials[:1], replace(workspace, device=device)
                )
            )


def is_agent(process: int) -> bool:
    """Two small ones of Ray leave a minute after it was killed."""
    return b"Agent" in title(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_leaves_nothing_of_a_ray_of_its_own(number: int, tmp_path: Path) -> None:
    """Nor does Ray keep it from saying how to go on."""
    environment = {**os.environ, "SCALECTL_MARK": str(tmp_path)}
    settings = [part for override in (*TINY, "proxy.epochs=500") for part in ("--set", override)]
    command = [
        sys.executable,
        "-m",
        "scalectl",
        "grid",
        "-o",
        "run",
        "--executor",
        "ray",
        *settings,
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: list((tmp_path / "run").glob("checkpoints/*")))
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == (143 if number == signal.SIGTERM else -number), said
    assert ("to continue, run the same command" in said) == (number == signal.SIGTERM)
    wait_until(
        lambda: not [process for process in find_processes(str(tmp_path)) if not is_agent(process)]
    )


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> str:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, ["grid", "-o", "run", *arguments])
    assert result.exit_code == 2
    assert not (folder / "run").exists()
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--executor", "ray", "--address", "127.0.0.1:9"], "There is no Ray cluster at 127.0.0.1:9"),
        (["--executor", "ray", "--address", "ray://here:1"], "address of a Ray Client"),
        (["--address", "auto"], "--address goes with --executor ray or slurm"),
        (["--executor", "ray", "--set", "resources.cpus=0"], "resources.cpus"),
    ],
)  # fmt: skip
def test_bad_inputs(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sentence in refuse(monkeypatch, tmp_path, *arguments)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_what_is_not_installed(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said = refuse(monkeypatch, tmp_path, "--executor", name)
    assert f'python -m pip install "scalectl[{name}]"' in said


def drive(address: str, folder: str) -> None:
    """As a program: the search on the cluster, each epoch as a line."""
    place = Cluster(address=address, resources=PART)
    train(make_executor("ray", 0, place), Path(folder))


if __name__ == "__main__":
    drive(*sys.argv[1:])
