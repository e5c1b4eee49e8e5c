"""Train trials as tasks of a Ray cluster (Ray Core): each in a process on a node, watched there.

A task streams the trial's news to the driver, with the checkpoint after each epoch, so that nodes need
no disk in common; they need scalectl and the images. A worker or node that is lost is not the trial's
doing: the trial goes on from its last checkpoint on another one, in the same command.
"""

import logging
import math
import os
import signal
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scalectl.errors import OutOfSpaceError, ScalectlError
from scalectl.executors import Cluster, Resources
from scalectl.executors.hardware import count_cores, count_memory
from scalectl.executors.processes import Processes
from scalectl.store import atomic
from scalectl.training.workspace import Workspace
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

_LOSSES = 3
"""Workers lost without an epoch in between, after which the trial counts as killed."""
_GRACE = 60.0
"""Seconds that news may be on its way, and that a suitable node may be missing."""


@dataclass(frozen=True, slots=True)
class _Node:
    """What a node of the cluster has in all, used or not."""

    cpus: float
    gpus: float

    def count_room(self, resources: Resources) -> int:
        """Return how many tasks fit at once."""
        rooms = [self.cpus / resources.cpus]
        if resources.gpus:
            rooms.append(self.gpus / resources.gpus)
        return int(min(rooms) + 1e-9)


@dataclass(slots=True)
class _Task:
    """A trial that runs, or waits for room on the cluster."""

    trial: Trial
    heard: float | None = None
    """When it last gave a sign of life, in monotonic seconds; None before the first."""
    losses: int = 0
    """Workers lost since its last epoch."""


_Running = dict[Any, _Task]
"""Stream of news -> its task."""


class Ray:
    """An executor that keeps a Ray cluster busy."""

    def __init__(self, jobs: int, cluster: Cluster) -> None:
        self._most = jobs
        self._resources = cluster.resources
        self._room, self._counted = 0, -math.inf
        _connect(cluster.address)
        self._refuse_the_impossible()

    @property
    def jobs(self) -> int:
        """Number of tasks at once: as asked for, or as many as there is room for now."""
        return self._most or max(1, self._count_room())

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Start the trials in order, whenever there is room; yield news in the order of arrival."""
        import ray

        source, running = iter(trials), _Running()
        workspace = replace(workspace, device=self._choose_device(workspace.device))
        fitted = time.monotonic()
        try:
            while True:
                while len(running) < self.jobs and (trial := next(source, None)):
                    self._start(_Task(trial), workspace, running)
                if not running:
                    return
                ready, _ = ray.wait(list(running), timeout=1.0, fetch_local=False)
                for stream in ready:
                    yield from self._settle(stream, workspace, running)
                for stream in _find_stalled(running, workspace.stall + _GRACE):
                    ray.cancel(stream, force=True)
                    yield _describe_stalled(running.pop(stream), workspace.stall)
                fitted = self._see_room(fitted)
        finally:
            for stream in running:
                with suppress(ray.exceptions.RayError):
                    ray.cancel(stream, force=True)

    def _settle(self, stream: Any, workspace: Workspace, running: _Running) -> Iterator[News]:
        """Yield a stream's next news; a trial whose worker was lost goes on in another one."""
        task = running.pop(stream)
        news = _receive(stream, task, workspace)
        if news is None:
            task.losses += 1
            if task.losses < _LOSSES:
                self._start(task, workspace, running)
            else:
                yield Record(trial=task.trial, state=State.KILLED, error=_GIVEN_UP)
            return
        if isinstance(news, Progress):
            task.losses = 0
        if not isinstance(news, Record):
            running[stream] = task  # behind the others, which are served first
        yield news

    def _start(self, task: _Task, workspace: Workspace, running: _Running) -> None:
        import ray

        task.heard = None
        train = ray.remote(num_returns="streaming", max_retries=0)(_train).options(
            num_cpus=self._resources.cpus, num_gpus=self._resources.gpus, name=task.trial.id
        )
        # If it is damaged, that is found out where it is read.
        saved = workspace.checkpoints / task.trial.id
        checkpoint = saved.read_bytes() if saved.exists() else b""
        running[train.remote(task.trial, workspace, checkpoint, self._resources.cpus)] = task

    def _choose_device(self, name: str) -> str:
        """Return "cuda" or "cpu". Raises `ScalectlError` for a numbered GPU, since Ray chooses."""
        if name == "auto":
            return "cuda" if self._resources.gpus else "cpu"
        if ":" in name or (name == "cuda" and not self._resources.gpus):
            raise ScalectlError(
                f"--device {name} does not go with resources.gpus = {self._resources.gpus:g}: on a "
                "cluster, that key says how much of a GPU each trial gets, and Ray which one.",
                "Leave --device out.",
            )
        return name

    def _count_room(self) -> int:
        """Return how many tasks fit on the cluster, asked once a second."""
        if time.monotonic() - self._counted > 1:
            self._room = sum(node.count_room(self._resources) for node in _list_nodes())
            self._counted = time.monotonic()
        return self._room

    def _see_room(self, seen: float) -> float:
        """Return when a node last would do. Raises `ScalectlError` where that is long ago."""
        now = time.monotonic()
        if self._count_room():
            return now
        if now - seen > _GRACE:
            self._refuse_the_impossible()
        return seen

    def _refuse_the_impossible(self) -> None:
        if self._count_room():
            return
        asked = f"{self._resources.cpus:g} CPUs and {self._resources.gpus:g} GPUs"
        there = ", ".join(f"{node.cpus:g} and {node.gpus:g}" for node in _list_nodes())
        raise ScalectlError(
            f"A trial asks for {asked}, which no node of the Ray cluster has; they have "
            f"{there or 'left'}.",
            "Lower resources.cpus or resources.gpus, or add nodes.",
        )


_GIVEN_UP = f"its worker was lost {_LOSSES} times without an epoch in between"


def _connect(address: str) -> None:
    """Connect to a cluster, or start one on this machine for as long as this process lives."""
    if find_spec("ray") is None:
        raise ScalectlError(
            "--executor ray needs Ray, which is not installed.",
            'Run python -m pip install "scalectl[ray]".',
        )
    if "://" in address:
        raise ScalectlError(
            f"{address} is the address of a Ray Client, which cannot stream results.",
            "Run the command on a node of the cluster with --address auto, or by ray job submit.",
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A trial without a GPU sees none, which is what Ray warns of that it will change.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ":" in address:
        _greet(address)
    if ray.is_initialized():
        return
    before = signal.getsignal(signal.SIGTERM)
    # What Ray says would tear the live screen, and fall into the JSON on stdout.
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray._private.worker._worker_logs_enabled = False  # noqa: SLF001 - of dead nodes it says it anyway
    local = {"include_dashboard": False, "num_cpus": count_cores()}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            configure_logging=False,
            **({} if address else local),
        )
    except (ConnectionError, RuntimeError, ValueError) as problem:
        reason = str(problem).splitlines()[0].rstrip(".")
        raise ScalectlError(
            f"Ray cannot be used: {reason}.",
            "ray start --head starts a cluster, and says its address.",
        ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray took it


def _greet(address: str) -> None:
    """Raise `ScalectlError` where nobody listens: Ray itself would try, and warn, for long."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as problem:
        raise ScalectlError(
            f"There is no Ray cluster at {address}: {problem}.",
            "ray start --head starts one, and says its address.",
        ) from None


def _list_nodes() -> list[_Node]:
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [_Node(total.get("CPU", 0.0), total.get("GPU", 0.0)) for total in alive]


def _receive(stream: Any, task: _Task, workspace: Workspace) -> News | None:
    """Receive the next news and store its checkpoint; None where the worker was lost.

    Raises `OutOfSpaceError` where the node's disk, or this one, is full.
    """
    from ray import exceptions, get

    try:
        news, checkpoint = get(next(stream), timeout=workspace.stall)
    except exceptions.OutOfMemoryError:
        reason = "the node was short of memory, and Ray stopped its largest worker"
        return Record(trial=task.trial, state=State.OUT_OF_MEMORY, error=reason)
    except exceptions.RayTaskError as problem:
        reason = f"{type(problem.cause).__name__}: {problem.cause}".splitlines()[0]
        reason = reason.replace(str(Path.home()), "~")  # runs name no user
        return Record(trial=task.trial, state=State.ERROR, error=reason)
    except (exceptions.RayError, StopIteration):
        return None
    if isinstance(news, OutOfSpaceError):
        raise news
    if checkpoint:
        atomic.make_folder(workspace.checkpoints)
        atomic.replace(workspace.checkpoints / news.trial.id, checkpoint)
    task.heard = time.monotonic()
    return news  # type: ignore[no-any-return]


def _find_stalled(running: _Running, patience: float) -> list[Any]:
    """List the streams that have been silent for longer than `patience` seconds."""
    now = time.monotonic()
    return [
        stream
        for stream, task in running.items()
        if task.heard is not None and now - task.heard > patience and not stream.next_ready()
    ]


def _describe_stalled(task: _Task, stall: float) -> Record:
    reason = f"its node gave no sign of life for more than {stall:g} seconds, and it was stopped"
    return Record(trial=task.trial, state=State.STALLED, error=reason)


def _train(
    trial: Trial, workspace: Workspace, checkpoint: bytes, cpus: float
) -> Iterator[tuple[News | OutOfSpaceError, bytes]]:
    """Train on a node; yield each news with the checkpoint that came before it, or b""."""
    yield Heartbeat(trial=trial, steps=0), b""
    place = _find_place()
    part = min(1.0, cpus / count_cores())
    try:
        with tempfile.TemporaryDirectory(dir=place) as name:
            here = replace(
                workspace,
                cache=place / "cache",
                checkpoints=Path(name),
                memory=workspace.memory or int(count_memory() * part),
            )
            saved = here.checkpoints / trial.id
            if checkpoint:
                atomic.replace(saved, checkpoint)
            with closing(Processes(1).run([trial], here)) as events:
                for news in events:
                    moved = isinstance(news, Progress) and saved.exists()
                    yield news, saved.read_bytes() if moved else b""
    except OutOfSpaceError as problem:
        yield problem, b""


def _find_place() -> Path:
    """Return this user's own folder on this node, in which all trials share rendered images."""
    place = Path(tempfile.gettempdir(), f"scalectl-{os.getuid()}")
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ScalectlError(f"{place} is not a folder of this user's alone.", "Remove it.")
    return place
