"""Train each trial in a process of its own, forked from a server that has loaded torch.

So a start costs some tenths of a second instead of several, and a process that dies, hangs, or
takes too much memory ends no more than its own trial.
"""

import multiprocessing
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from scalectl.arch import orphans
from scalectl.errors import OutOfSpaceError
from scalectl.executors import Cluster
from scalectl.executors.hardware import count_cores, count_memory
from scalectl.executors.parent_death import die_with_parent
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Record, State, Trial

CONTEXT = multiprocessing.get_context("forkserver")
_GPUS = "CUDA_VISIBLE_DEVICES"
_PATIENCE = 0.5
"""Seconds after an unexpected SIGKILL: it may be on its way to this process too."""


@dataclass(slots=True)
class _Child:
    """A running process, and its trial."""

    trial: Trial
    process: ForkServerProcess
    heard: float
    """When it last gave a sign of life, in monotonic seconds."""
    starts: int = 1
    """How often the trial has been started."""


_Running = dict[Connection, _Child]


class Processes:
    """An executor that keeps `jobs` processes busy."""

    def __init__(self, jobs: int, _cluster: Cluster | None = None) -> None:
        self.jobs = jobs or count_cores()

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Start the trials in order, whenever there is room; yield news in the order of arrival."""
        source, running = iter(trials), _Running()
        memory = workspace.memory or count_memory() // self.jobs
        workspace = replace(workspace, memory=memory)
        start_server()
        try:
            while True:
                while len(running) < self.jobs and (trial := next(source, None)):
                    _start(trial, workspace, running)
                if not running:
                    return
                for pipe in wait(list(running), timeout=1.0):
                    assert isinstance(pipe, Connection)
                    news = _receive(pipe, running)
                    if _may_start_anew(running[pipe], news):
                        _start_anew(pipe, workspace, running)
                    else:
                        yield _settle(news, pipe, running)
                for pipe in _find_stalled(running, workspace.stall):
                    reason = f"it took no step for {workspace.stall:g} seconds, and was stopped"
                    stalled = Record(trial=running[pipe].trial, state=State.STALLED, error=reason)
                    yield _settle(stalled, pipe, running)
        finally:
            for child in running.values():
                kill(child.process)


def start_server() -> None:
    """Start the server that all processes are forked from, and wait until it has loaded torch."""
    forkserver.set_forkserver_preload(["scalectl.executors.preload", "scalectl.training.loop"])
    with ignoring_interrupts(), _hiding_main():
        resource_tracker.ensure_running()  # unmarked, since it cleans up after this process
        with orphans.marking():
            forkserver.ensure_running()
    start(int).join()


def start(target: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """Start a process; where its server is killed meanwhile, once more from a fresh one."""
    with deferring_signals():
        process = CONTEXT.Process(target=target, args=arguments, daemon=True)
        for tries_left in range(TRIES, -1, -1):
            try:
                with _hiding_main():
                    process.start()
                break
            except (EOFError, OSError):
                if not tries_left:
                    raise
                time.sleep(_PATIENCE)
    return process


TRIES = 3
"""Further starts of a process whose server was killed."""
_SERVER_GONE = 255
"""What multiprocessing gives for the exit code of a process whose server can no longer tell it."""


@contextmanager
def _hiding_main() -> Iterator[None]:
    """Have processes that are started meanwhile not run this one's script again.

    They need nothing of it, and a user's script that searches would search in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Have processes that are started meanwhile ignore SIGINT, which their parent handles."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, before)


@contextmanager
def deferring_signals() -> Iterator[None]:
    """Defer signals, as while a child starts: a half-started one would print a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [
        signal.signal(number, lambda received, _: caught.append(received)) for number in numbers
    ]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for received in caught:
            signal.raise_signal(received)


def lost_server(process: BaseProcess) -> bool:
    """Whether the server that an ended process was forked from is gone."""
    return process.exitcode == _SERVER_GONE


def _may_start_anew(child: _Child, news: News) -> bool:
    """Whether a trial died because the server that it was forked from did."""
    return (
        isinstance(news, Record)
        and news.state is State.KILLED
        and lost_server(child.process)
        and child.starts <= TRIES
    )


def _start_anew(pipe: Connection, workspace: Workspace, running: _Running) -> None:
    """Go on with a trial from its checkpoint, in a process of a fresh server."""
    child = running.pop(pipe)
    pipe.close()
    kill(child.process)
    _start(child.trial, workspace, running, child.starts + 1)


def _start(trial: Trial, workspace: Workspace, running: _Running, starts: int = 1) -> None:
    ours, theirs = CONTEXT.Pipe()
    with deferring_signals():
        process = start(_work, trial, workspace, theirs, list_variables())
        running[ours] = _Child(trial, process, time.monotonic(), starts)
    theirs.close()


def _receive(pipe: Connection, running: _Running) -> News:
    """Receive a child's next news. Raises `OutOfSpaceError` where the child did."""
    child = running[pipe]
    try:
        news: News | OutOfSpaceError = pipe.recv()
    except (EOFError, ConnectionResetError):
        reason = describe_death(child.process)
        return Record(trial=child.trial, state=State.KILLED, error=reason)
    if isinstance(news, OutOfSpaceError):
        raise news
    child.heard = time.monotonic()
    return news


def describe_death(process: BaseProcess) -> str:
    """Say in words why a process is gone."""
    process.join(timeout=5)
    code = process.exitcode
    if code is None:
        return "the process went silent, and was stopped"
    if code >= 0:
        return f"the process left with exit code {code}"
    reason = f"the process was killed by {signal.Signals(-code).name}"
    if code == -signal.SIGKILL:
        time.sleep(_PATIENCE)
        reason += "; if nobody did, the system was short of memory"
    return reason


def _find_stalled(running: _Running, stall: float) -> list[Connection]:
    now = time.monotonic()
    return [
        pipe for pipe, child in running.items() if now - child.heard > stall and not pipe.poll()
    ]


def _settle(news: News, pipe: Connection, running: _Running) -> News:
    """End a child whose record has arrived, and pass its news on."""
    if isinstance(news, Record):
        kill(running.pop(pipe).process)
        pipe.close()
    return news


def kill(process: BaseProcess) -> None:
    """End a process, and all that it has started."""
    assert process.pid
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # where it had not made a group of its own yet
    process.join(timeout=5)
    orphans.end(process.pid)


def _work(trial: Trial, workspace: Workspace, pipe: Connection, variables: dict[str, str]) -> None:
    """Train a trial in the child, and send its news through the pipe."""
    live_as_child(pipe, variables)
    _limit_memory(workspace.memory)
    from scalectl.training import loop

    try:
        for news in loop.run(trial, workspace):
            pipe.send(news)
    except OutOfSpaceError as problem:
        pipe.send(problem)


def list_variables() -> dict[str, str]:
    """Return the environment variables of a child; the server's may be of an earlier search."""
    gpus = {_GPUS: os.environ[_GPUS]} if _GPUS in os.environ else {}
    return gpus | orphans.list_variables()


def live_as_child(pipe: Connection, variables: dict[str, str]) -> None:
    """Make this process end with its parent, which holds the other end of the pipe."""
    os.environ.update(variables)
    orphans.mark_own()
    os.setpgid(0, 0)
    die_with_parent()
    threading.Thread(target=_leave_with_parent, args=(pipe,), daemon=True).start()


def _leave_with_parent(pipe: Connection) -> None:
    # The parent never sends: readable means that its end is gone.
    wait([pipe])
    os.killpg(0, signal.SIGKILL)


def _limit_memory(size: int) -> None:
    """Limit this process to `size` bytes beyond torch's; it is killed first where memory is short."""
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
