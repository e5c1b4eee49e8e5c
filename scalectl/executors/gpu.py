"""Train many trials at once on each GPU, in one process that stays, each on a stream of its own.

Loading torch's and CUDA's libraries and choosing kernels takes a process tens of seconds, far more
than a brief training; so that happens once. An error of CUDA spoils the whole process; its trials then
go on from their checkpoints in a fresh one, fewer at once: what fails alone is a record with a reason.
"""

import math
import os
import time
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess

from scalectl.data import Split
from scalectl.errors import OutOfSpaceError, ScalectlError
from scalectl.executors import Cluster, hardware
from scalectl.executors.parent_death import die_with_parent
from scalectl.executors.processes import (
    CONTEXT,
    TRIES,
    describe_death,
    kill,
    list_variables,
    live_as_child,
    lost_server,
    start,
    start_server,
)
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Record, State, Trial

MOST = 16
"""Most trials at once on one GPU; more gain nothing on an H100 (measured)."""
_FULL = 2.5e8
"""Most activations of a step over all trials at once; more gain nothing on an H100 (measured)."""
_SAVE_EVERY = 5.0
"""Seconds between checkpoints; one takes as long as an epoch of a small network."""
_POLL = 2e-4
"""Seconds to sleep where all trainings wait for the GPU."""


@dataclass(frozen=True, slots=True)
class Crowded:
    """A trial for which a process had no memory beside others, or beside what it kept for later."""

    trial: Trial


@dataclass(slots=True)
class _Worker:
    """A running process, and its trials."""

    device: str
    process: ForkServerProcess
    pipe: Connection
    alive: Connection
    """Closed, it tells the process that its parent is gone."""
    running: dict[str, Trial] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    """When each trial last gave a sign of life, in monotonic seconds, by id."""


class Gpu:
    """An executor that keeps every GPU full. `jobs`: most trials at once on each of them."""

    def __init__(self, jobs: int, _cluster: Cluster | None = None) -> None:
        self._gpus = hardware.count_gpus()
        if not self._gpus:
            raise ScalectlError(
                "There is no GPU of NVIDIA's here that torch can use.",
                "Leave --device and --executor out, or install torch with CUDA.",
            )
        self._told = jobs
        self._pool: Pool | None = None
        """The processes of the last run."""
        self.jobs = (jobs or MOST) * self._gpus

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Train every trial; they start in order, but for those that need a GPU for themselves.

        A process stays for the next run, as of a search in rounds, and ends with this executor.
        """
        kind, _, chosen = workspace.device.replace("auto", "cuda").partition(":")
        numbers = [int(chosen)] if chosen else range(self._gpus)
        devices = [f"{kind}:{number}" for number in numbers]
        if self._pool and not self._pool.suits(devices, workspace):
            self._pool.close()
            self._pool = None
        pool = self._pool = self._pool or Pool(devices, self._told, workspace)
        try:
            yield from pool.run(trials)
        except BaseException:
            pool.close()
            self._pool = None
            raise


class Pool:
    """The processes of some GPUs, one each, and the trials that they train or that wait for them."""

    def __init__(self, devices: list[str], told: int, workspace: Workspace) -> None:
        """Start the processes. `told`: most trials at once on each device; 0 for what fills it."""
        self._told = told
        self._workspace = replace(workspace, save_every=_SAVE_EVERY)
        self._most = dict.fromkeys(devices, told or MOST)
        """Most trials at once by device; fewer after a process was lost."""
        self._workers = [_start(device, self._workspace) for device in devices]
        self._waiting = deque[Trial]()
        self._alone = set[str]()
        """Ids of trials that had no room beside others."""
        self._renderings = dict[tuple[str, int], BaseProcess]()
        self._servers_lost = 0
        """Servers killed since the last record."""

    @property
    def is_idle(self) -> bool:
        """Whether all trials have their records."""
        return not self._waiting and not any(worker.running for worker in self._workers)

    def suits(self, devices: list[str], workspace: Workspace) -> bool:
        """Whether these are its devices and its workspace."""
        return list(self._most) == devices and self._workspace == replace(
            workspace, save_every=_SAVE_EVERY
        )

    def run(self, trials: Iterable[Trial]) -> Generator[News, None, None]:
        """Train every trial, and yield what happens; take few more at a time than there is room for."""
        source, is_over = iter(trials), False
        while True:
            while not is_over and len(self._waiting) < hardware.count_cores():
                trial = next(source, None)
                is_over = trial is None
                if trial:
                    self.add(trial)
            if is_over and self.is_idle:
                return
            yield from self.look()

    def add(self, trial: Trial) -> None:
        """Let a trial wait until there is room."""
        self._waiting.append(trial)

    def look(self) -> Iterator[News]:
        """Hand trials over where there is room, and yield the news of up to a second."""
        self._render_ahead()
        for worker in self._workers:
            self._fill(worker)
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), timeout=0.05 if self._waiting else 1.0):
            assert isinstance(pipe, Connection)
            yield from self._receive(pipes[pipe])
        for worker in list(self._workers):
            yield from self._check(worker)

    def close(self) -> None:
        for worker in self._workers:
            kill(worker.process)
        for process in self._renderings.values():
            kill(process)

    def _render_ahead(self) -> None:
        """Render the images of trials that wait, on the cores that the GPUs leave free."""
        busy = sum(process.exitcode is None for process in self._renderings.values())
        for trial in self._waiting:
            for split in trial.splits:
                key = split, trial.candidate.architecture.resolution
                if key not in self._renderings and busy < hardware.count_cores():
                    busy += 1
                    self._renderings[key] = start(_render, trial, split, self._workspace)

    def _is_drawn(self, trial: Trial) -> bool:
        keys = ((split, trial.candidate.architecture.resolution) for split in trial.splits)
        return all(
            key in self._renderings and self._renderings[key].exitcode is not None for key in keys
        )

    def _fill(self, worker: _Worker) -> None:
        """Hand over trials in order, as far as there is room, and as their images are drawn."""
        for trial in list(self._waiting):
            if not self._has_room(worker, trial):
                return
            if self._is_drawn(trial):
                self._waiting.remove(trial)
                worker.running[trial.id] = trial
                worker.heard[trial.id] = time.monotonic()
                try:
                    worker.pipe.send(trial)
                except OSError:
                    return  # it died, which is found next

    def _has_room(self, worker: _Worker, trial: Trial) -> bool:
        if not worker.running:
            return True
        others = worker.running.values()
        if any(map(self._runs_alone, (trial, *others))):
            return False
        if len(others) >= self._most[worker.device]:
            return False
        return bool(self._told) or count_activations((trial, *others)) <= _FULL

    def _runs_alone(self, trial: Trial) -> bool:
        """Whether a trial must run alone: without graphs it may draw random numbers that others draw."""
        return trial.id in self._alone or not trial.fits_graphs

    def _receive(self, worker: _Worker) -> Iterator[News]:
        """Receive the next news of a process. Raises `OutOfSpaceError` where the process did."""
        try:
            news: News | Crowded | OutOfSpaceError = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._replace(worker, State.KILLED, "")
            return
        if isinstance(news, OutOfSpaceError):
            raise news
        trial = news.trial
        if isinstance(news, Crowded):
            self._alone.add(trial.id)
            self._waiting.appendleft(worker.running.pop(trial.id))
            return
        worker.heard[trial.id] = time.monotonic()
        if isinstance(news, Record):
            del worker.running[trial.id]
            self._servers_lost = 0
            most = self._told or MOST
            self._most[worker.device] = min(most, self._most[worker.device] + 1)
        yield news

    def _check(self, worker: _Worker) -> Iterator[News]:
        """Replace a process one of whose trials has given no sign of life for too long."""
        stall, now = self._workspace.stall, time.monotonic()
        silent = [name for name in worker.running if now - worker.heard[name] > stall]
        if silent and not worker.pipe.poll():
            reason = f"it took no step for {stall:g} seconds, and was stopped"
            yield from self._replace(worker, State.STALLED, reason)

    def _replace(self, worker: _Worker, state: State, reason: str) -> Iterator[Record]:
        """Start a process for a lost one; its trials go on there, but one that was alone fails.

        Where the server fell that it was forked from, none is at fault, and as many go on at once.
        """
        kill(worker.process)
        reason = reason or describe_death(worker.process)
        self._workers.remove(worker)
        lost = list(worker.running.values())
        fell = lost_server(worker.process) and self._servers_lost < TRIES
        self._servers_lost += fell
        if len(lost) == 1 and not fell:
            yield Record(trial=lost[0], state=state, error=reason)
        else:
            self._waiting.extendleft(reversed(lost))
        if not fell:
            self._most[worker.device] = max(1, len(lost) // 2)
        self._workers.append(_start(worker.device, self._workspace))


def train_once(
    trials: Iterable[Trial], devices: list[str], workspace: Workspace
) -> Generator[News, None, None]:
    """Train every trial on these devices, on which nothing stays."""
    with closing(Pool(devices, 0, workspace)) as pool:
        yield from pool.run(trials)


def list_devices(gpus: float) -> list[str]:
    """Name the devices of a job or task that has so many GPUs of a cluster; it gets whole ones."""
    return [f"cuda:{number}" for number in range(math.ceil(gpus))]


def is_full(trials: Collection[Trial], gpus: int) -> bool:
    """Whether so many GPUs that train these at once gain nothing by another trial."""
    return len(trials) >= MOST * gpus or count_activations(trials) >= _FULL * gpus


def count_activations(trials: Iterable[Trial]) -> int:
    """Count the elements out of convolutions in a step of all trials."""
    return sum(trial.candidate.cost.activations * trial.recipe.batch_size for trial in trials)


def _start(device: str, workspace: Workspace) -> _Worker:
    start_server()
    ours, theirs = CONTEXT.Pipe()
    alive, parent = CONTEXT.Pipe()
    process = start(_work, replace(workspace, device=device), theirs, parent, list_variables())
    theirs.close()
    parent.close()
    return _Worker(device, process, ours, alive)


def _work(
    workspace: Workspace, pipe: Connection, parent: Connection, variables: dict[str, str]
) -> None:
    """Train, in the process, all trials at once that come through the pipe."""
    live_as_child(parent, variables)
    from scalectl.training import loop
    from scalectl.training.devices import warm_up
    from scalectl.training.graph_learner import LearnerPool

    warm_up(workspace.device)
    pool, running = LearnerPool(), dict[str, Iterator[News | None]]()
    while True:
        while pipe.poll(0 if running else None):
            trial = pipe.recv()
            running[trial.id] = loop.train(trial, workspace, pool)
        try:
            heard = [news for training in list(running.values()) if (news := next(training))]
        except OutOfSpaceError as problem:
            pipe.send(problem)
            return
        for news in heard:
            if isinstance(news, Record):
                del running[news.trial.id]
                _leave_if_broken()
                if news.state is State.OUT_OF_MEMORY and (pool.forget() or running):
                    pipe.send(Crowded(news.trial))
                    continue
            pipe.send(news)
        if not heard:
            time.sleep(_POLL)


def _leave_if_broken() -> None:
    """Leave after an error of CUDA, since its process cannot compute any more."""
    import torch

    try:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
    except RuntimeError:
        os._exit(1)


def _render(trial: Trial, split: Split, workspace: Workspace) -> None:
    """Render a split in a process of its own; what goes wrong is said where the trial is trained."""
    os.setpgid(0, 0)
    die_with_parent()
    workspace.render(trial, split)
