"""Train trials on a Ray cluster (Ray Core): each as a task in a process on a node, watched there; on
GPUs many at once, by an actor for each GPU, which keeps it full.

Tasks and actors stream news to the driver, with checkpoints, so that nodes need no disk in common;
they need scalectl and the images. A worker or node that is lost is not the trial's doing: the trial
goes on from its last checkpoint on another one, in the same command.
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
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from scalectl.errors import OutOfSpaceError, ScalectlError
from scalectl.executors import Cluster, Resources, gpu
from scalectl.executors.hardware import count_cores, count_memory
from scalectl.executors.processes import Processes, deferring_signals
from scalectl.store import atomic
from scalectl.training.workspace import Workspace
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

_LOSSES = 3
"""Workers lost without an epoch in between, after which the trial counts as killed."""
_GRACE = 60.0
"""Seconds that news may be on its way, and that a suitable node may be missing."""
_GATHER = 10.0
"""Seconds to wait for the actors of all GPUs before the first trials are dealt among those there."""


@dataclass(slots=True)
class _Task:
    """A trial that runs, or waits for room on the cluster."""

    trial: Trial
    heard: float | None = None
    """When it last gave a sign of life, in monotonic seconds; None before the first."""
    losses: int = 0
    """Workers lost since its last epoch."""
    actor: Any = None
    """The actor that trains it, if it is one."""


_Running = dict[Any, _Task]
"""Stream of news -> its task."""


class Ray:
    """An executor that keeps a Ray cluster busy."""

    def __init__(self, jobs: int, cluster: Cluster) -> None:
        self._most = jobs
        self._resources = replace(cluster.resources, gpus=math.ceil(cluster.resources.gpus))
        self._room, self._counted = 0, -math.inf
        self._site: _Tasks | _Actors | None = None
        """That of the last run."""
        _connect(cluster.address)
        self._refuse_the_impossible()

    @property
    def jobs(self) -> int:
        """Number of trials at once: as asked for, or as many as there is room for now."""
        return self._most or max(1, self._count_room()) * int(gpu.MOST * self._resources.gpus or 1)

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Start the trials in order, whenever there is room; yield news in the order of arrival.

        Actors stay for the next run, as of a search in rounds, and end with this executor.
        """
        source, lost, running = map(_Task, trials), deque[_Task](), _Running()
        workspace = replace(workspace, device=self._choose_device(workspace.device))
        if self._site and self._site.workspace != workspace:
            self._site.close()
            self._site = None
        kind = _Actors if workspace.device == "cuda" else _Tasks
        site = self._site = self._site or kind(
            self._resources, workspace, self._most, self._count_room
        )
        fitted = time.monotonic()
        try:
            while not _start_trials(source, lost, site, running) or running:
                for stream in site.wait(running):
                    yield from self._settle(stream, site, running, lost)
                for stream in _find_stalled(running, workspace.stall + _GRACE):
                    site.stop(stream, task := running.pop(stream))
                    reason = (
                        f"its node gave no sign of life for more than {workspace.stall:g} seconds, "
                        "and it was stopped"
                    )
                    yield Record(trial=task.trial, state=State.STALLED, error=reason)
                fitted = self._see_room(fitted)
        except BaseException:
            for stream, task in running.items():
                site.stop(stream, task)
            site.close()
            self._site = None
            raise

    def _settle(
        self, stream: Any, site: "_Tasks | _Actors", running: _Running, lost: deque[_Task]
    ) -> Iterator[News]:
        """Yield a stream's next news; a trial whose worker was lost waits for another one."""
        task = running.pop(stream)
        news = _receive(stream, task, site.workspace)
        if news is None:
            site.stop(stream, task)
            task.losses += 1
            if task.losses < _LOSSES:
                lost.append(task)
            else:
                yield Record(trial=task.trial, state=State.KILLED, error=_GIVEN_UP)
            return
        if isinstance(news, Progress):
            task.losses = 0
        if not isinstance(news, Record):
            running[stream] = task  # behind the others, which are served first
        yield news

    def _choose_device(self, name: str) -> str:
        """Return "cuda" or "cpu". Raises `ScalectlError` for a numbered GPU, since Ray chooses."""
        if name == "auto":
            return "cuda" if self._resources.gpus else "cpu"
        if ":" in name or (name == "cuda" and not self._resources.gpus):
            raise ScalectlError(
                f"--device {name} does not go with resources.gpus = {self._resources.gpus:g}: on a "
                "cluster, that key says whether GPUs train, and Ray which ones.",
                "Leave --device out.",
            )
        return name

    def _count_room(self) -> int:
        """Return how many tasks fit on the cluster, asked once a second."""
        if time.monotonic() - self._counted > 1:
            self._room = sum(_count_room(*node, self._resources) for node in _list_nodes())
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
        there = ", ".join(f"{cpus:g} and {gpus:g}" for cpus, gpus in _list_nodes())
        raise ScalectlError(
            f"A trial asks for {asked}, which no node of the Ray cluster has; they have "
            f"{there or 'left'}.",
            "Lower resources.cpus or resources.gpus, or add nodes.",
        )


class _Tasks:
    """A task of Ray for each trial."""

    def __init__(
        self, resources: Resources, workspace: Workspace, most: int, count_room: Callable[[], int]
    ) -> None:
        self._resources, self.workspace = resources, workspace
        self._most, self._count_room = most, count_room

    def has_room(self, running: _Running) -> bool:
        """Whether one more may start; one may always, since Ray lets it wait."""
        return len(running) < (self._most or max(1, self._count_room()))

    def start(self, task: _Task, _running: _Running) -> Any:
        """Start a trial, and return its stream."""
        import ray

        task.heard = None
        train = ray.remote(num_returns="streaming", max_retries=0)(_train).options(
            num_cpus=self._resources.cpus,
            num_gpus=self._resources.gpus,
            name=task.trial.id,
        )
        checkpoint = _read_checkpoint(self.workspace, task.trial)
        return train.remote(task.trial, self.workspace, checkpoint, self._resources.cpus)

    def wait(self, running: _Running) -> list[Any]:
        """Return streams that have news, after a second at most."""
        return _wait(list(running))

    def stop(self, stream: Any, _task: _Task) -> None:
        """End a trial that has no record."""
        import ray

        with suppress(ray.exceptions.RayError):
            ray.cancel(stream, force=True)

    def close(self) -> None:
        """Nothing stays once its tasks have ended."""


class _Actors:
    """An actor for each GPU, or for as many as `resources.gpus` says, that trains many trials at once."""

    def __init__(
        self, resources: Resources, workspace: Workspace, most: int, count_room: Callable[[], int]
    ) -> None:
        self._resources, self.workspace = resources, workspace
        self._most, self._count_room = most, count_room
        self._gpus = int(resources.gpus)
        self._coming = dict[Any, Any]()
        """What an actor says when it is there -> the actor."""
        self._ready: list[Any] = []
        self._failures = 0
        """Actors in a row that could not be made."""
        self._gathered = time.monotonic() + _GATHER

    def has_room(self, running: _Running) -> bool:
        if self._coming and time.monotonic() < self._gathered:
            return False
        if self._most and len(running) >= self._most:
            return False
        loads = self._list_loads(running)
        return any(not gpu.is_full(load, self._gpus) for load in loads.values())

    def start(self, task: _Task, running: _Running) -> Any:
        """Start a trial where the fewest activations are, and return its stream."""
        task.heard = None
        loads = self._list_loads(running)
        task.actor = min(
            (actor for actor in self._ready if not gpu.is_full(loads[actor], self._gpus)),
            key=lambda actor: gpu.count_activations(loads[actor]),
        )
        checkpoint = _read_checkpoint(self.workspace, task.trial)
        train = task.actor.train.options(num_returns="streaming", name=task.trial.id)
        return train.remote(task.trial, checkpoint)

    def wait(self, running: _Running) -> list[Any]:
        """Return streams that have news, after a second at most; meanwhile actors come."""
        self._call_actors()
        if not (self._coming or running):
            time.sleep(1.0)
            return []
        ready = _wait([*self._coming, *running])
        for greeting in self._coming.keys() & set(ready):
            self._welcome(greeting)
        return [source for source in ready if source in running]

    def stop(self, _stream: Any, task: _Task) -> None:
        """End the actor that trains a trial, since it, or its node, is gone or hangs."""
        import ray

        if task.actor in self._ready:
            self._ready.remove(task.actor)
            ray.kill(task.actor)

    def close(self) -> None:
        import ray

        for actor in (*self._ready, *self._coming.values()):
            ray.kill(actor)

    def _list_loads(self, running: _Running) -> dict[Any, list[Trial]]:
        loads: dict[Any, list[Trial]] = {actor: [] for actor in self._ready}
        for task in running.values():
            if task.actor in loads:
                loads[task.actor].append(task.trial)
        return loads

    def _call_actors(self) -> None:
        """Make actors until there is one for all that the cluster has room for, or that are asked for."""
        import ray

        room = self._count_room()
        wanted = min(room, self._most or room) - len(self._ready) - len(self._coming)
        make = ray.remote(_Actor).options(
            num_cpus=self._resources.cpus,
            num_gpus=self._gpus,
            max_concurrency=gpu.MOST * self._gpus + 1,
        )
        for _ in range(wanted):
            actor = make.remote(gpu.list_devices(self._gpus), self._most, self.workspace)
            self._coming[actor.greet.remote()] = actor

    def _welcome(self, greeting: Any) -> None:
        """Take an actor in. Raises `ScalectlError` where several in a row could not be made."""
        import ray

        actor = self._coming.pop(greeting)
        try:
            ray.get(greeting)
        except ray.exceptions.RayError as problem:
            self._failures += 1
            if self._failures >= _LOSSES:
                reason = str(problem).strip().splitlines()[-1]
                raise ScalectlError(
                    f"Ray started {_LOSSES} actors in a row that ended at once: {reason}",
                    "Every node needs the same versions of Python, Ray and scalectl.",
                ) from None
        else:
            self._failures = 0
            self._ready.append(actor)


def _wait(sources: list[Any]) -> list[Any]:
    """Return what has something to say, after a second at most.

    Signals wait as long: what they raise within Ray's own call comes out of it as another error.
    """
    import ray

    with deferring_signals():
        ready: list[Any] = ray.wait(sources, timeout=1.0, fetch_local=False)[0]
    return ready


_GIVEN_UP = f"its worker was lost {_LOSSES} times without an epoch in between"


def _start_trials(
    source: Iterator[_Task], lost: deque[_Task], site: "_Tasks | _Actors", running: _Running
) -> bool:
    """Start trials, lost ones first, while there is room; return whether none is left."""
    while site.has_room(running):
        task = lost.popleft() if lost else next(source, None)
        if task is None:
            return True
        running[site.start(task, running)] = task
    return False


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
        _refuse_another(address)
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


def _refuse_another(address: str) -> None:
    """Raise `ScalectlError` where this process is connected to another cluster than that one.

    Nor can it change: once it has started a Ray of its own, whose token it then asks of all, it would
    refuse the reports of a cluster without one, and wait for ever.
    """
    import ray

    # It knows localhost by its address.
    from ray._private.services import canonicalize_bootstrap_address

    there = ray.get_runtime_context().gcs_address
    if address in ("", "auto", "local"):
        return
    if ":" in address and canonicalize_bootstrap_address(address) == there:
        return
    raise ScalectlError(
        f"This process is connected to the Ray cluster at {there}, and cannot use the one at {address} too.",
        "Search there from another process.",
    )


def _list_nodes() -> list[tuple[float, float]]:
    """List how many CPUs and GPUs each node has in all, used or not."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(total.get("CPU", 0.0), total.get("GPU", 0.0)) for total in alive]


def _count_room(cpus: float, gpus: float, resources: Resources) -> int:
    """Return how many tasks or actors fit on a node at once."""
    rooms = [cpus / resources.cpus]
    if resources.gpus:
        rooms.append(gpus / resources.gpus)
    return int(min(rooms) + 1e-9)


def _receive(stream: Any, task: _Task, workspace: Workspace) -> News | None:
    """Receive the next news and store its checkpoint; None where the worker was lost.

    Raises `OutOfSpaceError` where the node's disk, or this one, is full.
    """
    from ray import exceptions, get

    try:
        news, checkpoint = get(next(stream), timeout=workspace.stall)
    except exceptions.OutOfMemoryError:
        if task.actor:
            return None  # another of its trials may have taken it
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


def _read_checkpoint(workspace: Workspace, trial: Trial) -> bytes:
    """Read what is stored of a trial, or b"". If it is damaged, that is found out where it is used."""
    saved = workspace.checkpoints / trial.id
    return saved.read_bytes() if saved.exists() else b""


def _train(
    trial: Trial, workspace: Workspace, checkpoint: bytes, cpus: float
) -> Iterator[tuple[News | OutOfSpaceError, bytes]]:
    """Train on a node; yield each news with the checkpoint that came before it, or b""."""
    yield Heartbeat(trial=trial, steps=0), b""
    part = min(1.0, cpus / count_cores())
    place = _find_place()
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
                yield from _attach_checkpoints(events, saved)
    except OutOfSpaceError as problem:
        yield problem, b""


class _Actor:
    """Trains many trials at once on the GPUs that Ray gave to this process, each told by its own call."""

    def __init__(self, devices: list[str], told: int, workspace: Workspace) -> None:
        self._devices, self._told, place = devices, told, _find_place()
        checkpoints = Path(tempfile.mkdtemp(dir=place))
        self._workspace = replace(workspace, cache=place / "cache", checkpoints=checkpoints)
        self._arriving = SimpleQueue[Trial]()
        self._news = dict[str, SimpleQueue[News | OutOfSpaceError]]()
        threading.Thread(target=self._work, daemon=True).start()

    def greet(self) -> None:
        """Return where trials may come."""

    def train(
        self, trial: Trial, checkpoint: bytes
    ) -> Iterator[tuple[News | OutOfSpaceError, bytes]]:
        """Train beside others; yield each news with the checkpoint that came before it, or b""."""
        saved = self._workspace.checkpoints / trial.id
        arriving = self._news[trial.id] = SimpleQueue()
        try:
            if checkpoint:
                atomic.replace(saved, checkpoint)
            self._arriving.put(trial)
            yield from _attach_checkpoints(iter(arriving.get, None), saved)
        except OutOfSpaceError as problem:
            yield problem, b""
        del self._news[trial.id]

    def _work(self) -> None:
        """Keep the GPUs full. An error ends the process, and its trials go on elsewhere."""
        try:
            pool = gpu.Pool(self._devices, self._told, self._workspace)
            while True:
                while pool.is_idle or not self._arriving.empty():
                    pool.add(self._arriving.get())
                for news in pool.look():
                    self._news[news.trial.id].put(news)
        except OutOfSpaceError as problem:
            for arriving in list(self._news.values()):
                arriving.put(problem)
        except BaseException:
            traceback.print_exc()
            os._exit(1)


def _attach_checkpoints(
    events: Iterable[News | OutOfSpaceError], saved: Path
) -> Iterator[tuple[News | OutOfSpaceError, bytes]]:
    """Yield each news, up to the last, with the checkpoint that was stored since, or b""."""
    known = None
    for news in events:
        checkpoint = b""
        if isinstance(news, Progress) and saved.exists():
            status = saved.stat()
            stamp = status.st_ino, status.st_mtime_ns
            if stamp != known:
                known, checkpoint = stamp, saved.read_bytes()
        if isinstance(news, Record):
            saved.unlink(missing_ok=True)
        yield news, checkpoint
        if isinstance(news, Record | OutOfSpaceError):
            return


def _find_place() -> Path:
    """Return this user's own folder on this node, in which all trials share rendered images."""
    place = Path(tempfile.gettempdir(), f"scalectl-{os.getuid()}")
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ScalectlError(f"{place} is not a folder of this user's alone.", "Remove it.")
    return place
