"""One process for each trial, forked from a server that has torch and timm loaded already.

A later start costs some tenths of a second instead of many, and a process that dies takes no more
than its own trial with it.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
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
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
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


def _start(trial: Trial, workspace: Workspace, running: _Running) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scalectl.training"])
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
    """In the child. Ctrl-C is the parent's to handle; without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, args=(pipe,), daemon=True).start()
    from scalectl import training

    for news in training.run(trial, workspace):
        pipe.send(news)


def _leave_with_parent(pipe: Connection) -> None:
    # The parent never sends: readable means that its end is gone.
    wait([pipe])
    os._exit(1)
