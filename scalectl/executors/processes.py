"""One process for each trial, forked from a server that has torch loaded already.

A later start costs some tenths of a second instead of many, and a process that dies takes no more
than its own trial with it.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from scalectl.executors import Workspace
from scalectl.trial import Progress, Record, State, Trial

_Running = dict[Connection, tuple[Trial, ForkServerProcess]]


class Processes:
    """Keeps `jobs` processes busy."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, trials: Sequence[Trial], workspace: Workspace) -> Iterator[Progress | Record]:
        """Start in order; yield in the order in which news arrives."""
        waiting, running = deque(trials), _Running()
        _start_server()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    with _signals_wait():
                        _start(waiting.popleft(), workspace, running)
                for pipe in wait(list(running)):
                    assert isinstance(pipe, Connection)
                    news = _receive(pipe, running)
                    yield news
                    if isinstance(news, Record):
                        running.pop(pipe)[1].join()
                        pipe.close()
        finally:
            for _, process in running.values():
                process.kill()
                process.join()


def _start_server() -> None:
    """Deaf to Ctrl-C, as its children then are from their first moment: it is the parent's."""
    forkserver.set_forkserver_preload(["scalectl.training"])
    if threading.current_thread() is not threading.main_thread():
        forkserver.ensure_running()
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Until a process is whole: half of one would complain that its other half is missing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda one, _: caught.append(one)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for one in caught:
            signal.raise_signal(one)


def _start(trial: Trial, workspace: Workspace, running: _Running) -> None:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(trial, workspace, theirs), daemon=True)
    process.start()
    theirs.close()
    running[ours] = trial, process


def _receive(pipe: Connection, running: _Running) -> Progress | Record:
    trial, process = running[pipe]
    try:
        news: Progress | Record = pipe.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        return Record(trial=trial, state=State.KILLED, error=_describe(process.exitcode or 0))
    return news


def _describe(exit_code: int) -> str:
    if exit_code < 0:
        return f"the process was killed by {signal.Signals(-exit_code).name}"
    return f"the process left with exit code {exit_code}"


def _work(trial: Trial, workspace: Workspace, pipe: Connection) -> None:
    """In the child. Without a parent there is nothing to do."""
    threading.Thread(target=_leave_with_parent, args=(pipe,), daemon=True).start()
    from scalectl import training

    for news in training.run(trial, workspace):
        pipe.send(news)


def _leave_with_parent(pipe: Connection) -> None:
    # The parent never sends: readable means that its end is gone.
    wait([pipe])
    os._exit(1)
