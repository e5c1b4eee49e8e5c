"""One process for each trial or group, forked from a server that has torch loaded already.

A later start costs some tenths of a second instead of many, and a process that dies, hangs, or
takes too much memory takes no more than its own trials with it.
"""

import multiprocessing
import os
import re
import resource
import signal
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from scalectl.errors import OutOfSpaceError
from scalectl.executors import Cluster, Group, Workspace, count_cores, count_memory, give_up
from scalectl.executors.orphans import die_with_parent
from scalectl.trial import News, Record, State, Trial

_CONTEXT = multiprocessing.get_context("forkserver")
_GPUS = "CUDA_VISIBLE_DEVICES"
_PATIENCE = 0.5
"""Seconds after an unexpected SIGKILL: it may be on its way to this process too."""


@dataclass(slots=True)
class _Child:
    """A running process."""

    left: dict[str, Trial]
    """Trials without a record yet, by id."""
    process: ForkServerProcess
    heard: float
    """When it last gave a sign of life."""


_Running = dict[Connection, _Child]


class Processes:
    """Keeps `jobs` processes busy."""

    def __init__(self, jobs: int, _cluster: Cluster | None = None) -> None:
        self.jobs = jobs or count_cores()

    def run(self, groups: Iterable[Group], workspace: Workspace) -> Generator[News, None, None]:
        """Start in order, one whenever there is room; yield in the order in which news arrives."""
        source, running = iter(groups), _Running()
        memory = workspace.memory or count_memory() // self.jobs
        workspace = replace(workspace, memory=memory)
        _start_server()
        try:
            while True:
                while len(running) < self.jobs and (group := next(source, None)):
                    with _signals_wait():
                        _start(group, workspace, running)
                if not running:
                    return
                for pipe in wait(list(running), timeout=1.0):
                    assert isinstance(pipe, Connection)
                    yield from _settle(_receive(pipe, running), pipe, running)
                for pipe in _find_stalled(running, workspace.stall):
                    yield from _settle(_stop(running[pipe], workspace.stall), pipe, running)
        finally:
            for child in running.values():
                _kill(child)


def _start_server() -> None:
    """And wait until it has loaded torch, for which signals do not wait."""
    forkserver.set_forkserver_preload(["scalectl.executors.server", "scalectl.training"])
    with starting_deaf():
        forkserver.ensure_running()
    first = _CONTEXT.Process(target=int, daemon=True)
    first.start()
    first.join()


@contextmanager
def starting_deaf() -> Iterator[None]:
    """What is started now does not hear Ctrl-C, nor do its children: that is the parent's."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Until a process is whole: half of one would complain that its other half is missing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda one, _: caught.append(one)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for one in caught:
            signal.raise_signal(one)


def _start(group: Group, workspace: Workspace, running: _Running) -> None:
    ours, theirs = _CONTEXT.Pipe()
    gpus = os.environ.get(_GPUS)
    process = _CONTEXT.Process(target=_work, args=(group, workspace, theirs, gpus), daemon=True)
    process.start()
    theirs.close()
    running[ours] = _Child({one.id: one for one in group}, process, time.monotonic())


def _receive(pipe: Connection, running: _Running) -> Sequence[News]:
    """Raises `OutOfSpaceError` where the child did."""
    child = running[pipe]
    try:
        news: News | OutOfSpaceError = pipe.recv()
    except (EOFError, ConnectionResetError):
        return _bury(child)
    if isinstance(news, OutOfSpaceError):
        raise news
    child.heard = time.monotonic()
    return [news]


def _bury(child: _Child) -> Sequence[Record]:
    child.process.join(timeout=5)
    code = child.process.exitcode
    if code is None:
        reason = "the process went silent, and was stopped"
    elif code >= 0:
        reason = f"the process left with exit code {code}"
    else:
        reason = f"the process was killed by {signal.Signals(-code).name}"
    if code == -signal.SIGKILL:
        time.sleep(_PATIENCE)
        reason += "; if nobody did, the system was short of memory"
    return give_up(child.left.values(), State.KILLED, reason)


def _find_stalled(running: _Running, stall: float) -> list[Connection]:
    now = time.monotonic()
    return [
        pipe for pipe, child in running.items() if now - child.heard > stall and not pipe.poll()
    ]


def _stop(child: _Child, stall: float) -> Sequence[Record]:
    _kill(child)
    reason = f"it took no step for {stall:g} seconds, and was stopped"
    return give_up(child.left.values(), State.STALLED, reason)


def _settle(heard: Sequence[News], pipe: Connection, running: _Running) -> Iterator[News]:
    """Yield it; after its last record a process has no more to say."""
    left = running[pipe].left
    for news in heard:
        yield news
        if isinstance(news, Record):
            del left[news.trial.id]
    if not left:
        _kill(running.pop(pipe))
        pipe.close()


def _kill(child: _Child) -> None:
    """With all that it has started."""
    assert child.process.pid
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, signal.SIGKILL)
    child.process.kill()  # where it had not made a group of its own yet
    child.process.join(timeout=5)


def _work(group: Group, workspace: Workspace, pipe: Connection, gpus: str | None) -> None:
    """In the child. Its GPUs are those of its parent now; its server's may be of an earlier task."""
    if gpus is not None:
        os.environ[_GPUS] = gpus
    os.setpgid(0, 0)
    die_with_parent()
    threading.Thread(target=_leave_with_parent, args=(pipe,), daemon=True).start()
    _limit_memory(workspace.memory)
    from scalectl import training

    try:
        for news in training.run(group, workspace):
            pipe.send(news)
    except OutOfSpaceError as problem:
        pipe.send(problem)


def _leave_with_parent(pipe: Connection) -> None:
    # The parent never sends: readable means that its end is gone.
    wait([pipe])
    os.killpg(0, signal.SIGKILL)


def _limit_memory(size: int) -> None:
    """To `size` bytes beyond what torch has taken. Where the system runs short, this process goes first."""
    status = Path("/proc/self/status")
    taken = re.search(r"VmData:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if taken is None:
        return  # other systems hold no process to such a limit
    allowed = int(taken[1]) * 1024 + size
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        allowed = min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
    Path("/proc/self/oom_score_adj").write_text("500")
