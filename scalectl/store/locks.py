"""Locks by which several commands that share a run divide its trials; they only save work.

A lock is the kernel's, on an empty file, so that a process that is killed holds none. Where it
fails, or is taken from a process that sleeps, a trial is trained twice and stored once. Libraries such
as filelock have no lock of the kernel's that can be taken from a process that sleeps.
"""

import fcntl
import math
import os
import time
from pathlib import Path

from scalectl.store import atomic


class Locks:
    """The locks that this process holds.

    `patience`: seconds without a change of the file's time after which another holder counts as dead.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        self._folder = folder
        self._patience = patience
        self._held: dict[str, int] = {}
        self._signs: dict[str, tuple[int, float]] = {}
        """Name of a file that another process holds -> its time, and when that was first seen."""
        self._renewed = -math.inf

    def acquire(self, name: str) -> bool:
        """Take the lock of a trial; False where another process holds it, and is alive."""
        descriptor = _open(self._folder / name)
        if not _lock(descriptor) and not self._is_abandoned(name, descriptor):
            os.close(descriptor)
            return False
        self._held[name] = descriptor
        os.utime(descriptor)
        return True

    def touch(self) -> None:
        """Update the time of all held lock files, so that no other process takes them for abandoned.

        Cheap to call often: it does so ten times within `patience`.
        """
        now = time.monotonic()
        if now - self._renewed > self._patience / 10:
            self._renewed = now
            for descriptor in self._held.values():
                os.utime(descriptor)

    def release(self, name: str) -> None:
        os.close(self._held.pop(name))

    def release_all(self) -> None:
        for name in list(self._held):
            self.release(name)

    def _is_abandoned(self, name: str, descriptor: int) -> bool:
        """Whether its holder gave no sign of life for too long, as on a laptop that was closed."""
        now, mark = time.monotonic(), os.fstat(descriptor).st_mtime_ns
        if self._signs.get(name, (None, now))[0] != mark:
            self._signs[name] = mark, now
        return now - self._signs[name][1] > self._patience


def _open(path: Path) -> int:
    # Never through a link that somebody laid there.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with atomic.explain_errors(path):
        return os.open(path, flags, 0o666)


def _lock(descriptor: int) -> bool:
    """Lock a file; False where another process holds it. Without support for locks, always True."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
