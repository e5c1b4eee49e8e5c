"""Looks at processes from outside, and waits for what they do."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def find_processes(mark: str) -> list[int]:
    """All that have it in their environment."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                processes.append(int(folder.name))
        except OSError:
            continue  # it has just ended
    return [process for process in processes if process != os.getpid()]


def wait_until(is_so: Callable[[], object]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.1)
    pytest.fail("it never came to that")
