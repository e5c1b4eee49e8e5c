"""End processes that trials have left behind in groups of their own, which no signal to theirs reaches."""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


class Orphans:
    """Processes whose parents have ended, and that this process gets as children. On Linux alone."""

    def __init__(self) -> None:
        _adopt_orphans(1)
        self._own = _list_children()

    def close(self) -> None:
        """Kill them for the last time, and adopt no more: later children are nobody's trials."""
        self.end()
        _adopt_orphans(0)

    def end(self) -> None:
        """Kill those that have come since the beginning, and what they leave in turn."""
        while orphans := _list_children() - self._own:
            for process_id in orphans:
                self._own.add(process_id)
                with suppress(ProcessLookupError, ChildProcessError):
                    # One of this process's own group was started by it.
                    if os.getpgid(process_id) != os.getpgrp():
                        os.kill(process_id, signal.SIGKILL)
                        _reap(process_id)


def _adopt_orphans(value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, value)


def _reap(process_id: int) -> None:
    """Wait for the end of a killed child, but for no more than a second."""
    for _ in range(100):
        if os.waitpid(process_id, os.WNOHANG)[0]:
            return
        time.sleep(0.01)


def _list_children() -> set[int]:
    """List the children of all threads of this process; none where the system does not tell."""
    texts = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            texts.append(path.read_text())
    return {int(process_id) for text in texts for process_id in text.split()}
