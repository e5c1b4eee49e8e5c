"""End processes that a user's code has left in sessions of their own, which no signal to its group reaches.

They are known by a variable in the environment that they were started with, as /proc shows it: on
Linux alone. This file is also a program, the guard, which ends them after the process that it is for.
"""

import atexit
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

_NAME = "SCALECTL_STARTED_BY"
_PATIENCE = 5.0
"""Seconds to wait for the end of killed processes."""


def list_variables() -> dict[str, str]:
    """Return the variable that the processes which call a user's code get from this one."""
    return {_NAME: _get_mark()}


@contextmanager
def marking() -> Iterator[None]:
    """Have processes that are started meanwhile bear this one's mark."""
    before = os.environ.get(_NAME)
    os.environ[_NAME] = _get_mark()
    try:
        yield
    finally:
        del os.environ[_NAME]
        if before:
            os.environ[_NAME] = before


def mark_own() -> None:
    """Have what this process starts be known as its own, beside what others with the same mark start."""
    os.environ[_NAME] += f"-{os.getpid()}"


def end(process_id: int) -> None:
    """Kill what a process of this one's has started, after it has ended itself."""
    _kill(f"{_get_mark()}-{process_id}")


@lru_cache(maxsize=1)
def _get_mark() -> str:
    """Make this process's mark, and start the guard, which ends what bears it once this one is gone."""
    mark = os.urandom(16).hex()
    if sys.platform == "linux":
        guard = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        atexit.register(guard.communicate)  # closes its stdin, and waits for its end
    return mark


def _kill(mark: str) -> None:
    """Kill all that bear a mark, and what they start meanwhile, until none is left."""
    patience = time.monotonic() + _PATIENCE
    while (found := _find(mark)) and time.monotonic() < patience:
        for process_id in found:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        time.sleep(0.01)


def _find(mark: str) -> list[int]:
    """List the processes that were started with the mark, or with one that begins with it and a dash."""
    marked = re.compile(f"(^|\0){_NAME}={mark}[-\0]".encode())
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is another user's
            if marked.search((folder / "environ").read_bytes()):
                found.append(int(folder.name))
    return found


if __name__ == "__main__":
    sys.stdin.read()  # nothing comes: it ends with the process that holds the other end
    _kill(sys.argv[1])
