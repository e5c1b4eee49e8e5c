"""Which command trains which trial, when several share a store: they only save work (PROMISES 3).

A lease is a kernel's lock on an empty file, so that a process that is killed holds none. Where it
fails, or is taken from a process that sleeps, a trial is trained twice and stored once.
"""

import fcntl
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from scalectl import files


@dataclass(frozen=True, slots=True)
class _Sign:
    """When another holder's last sign of life was first seen."""

    mark: int
    seen: float


class Leases:
    """Those of one command. `patience` is how many seconds another one may give no sign of life."""

    def __init__(self, folder: Path, patience: float) -> None:
        self._folder = folder
        self._patience = patience
        self._held: dict[str, int] = {}
        self._others: dict[str, _Sign] = {}
        self._renewed = -math.inf

    def take(self, name: str) -> bool:
        """Whether this command may go on with it."""
        descriptor = _open(self._folder / name)
        if not _lock(descriptor) and not self._is_abandoned(name, descriptor):
            os.close(descriptor)
            return False
        self._held[name] = descriptor
        os.utime(descriptor)
        return True

    def renew(self) -> None:
        """A sign of life for the others, of all that are held; not oftener than they need it."""
        now = time.monotonic()
        if now - self._renewed > self._patience / 10:
            self._renewed = now
            for descriptor in self._held.values():
                os.utime(descriptor)

    def release(self, name: str) -> None:
        """Let others go on with it."""
        os.close(self._held.pop(name))

    def release_all(self) -> None:
        """At the end of a search, however it comes."""
        for name in list(self._held):
            self.release(name)

    def _is_abandoned(self, name: str, descriptor: int) -> bool:
        """Held by a process that stopped, such as on a laptop that was closed."""
        now, mark = time.monotonic(), os.fstat(descriptor).st_mtime_ns
        if name not in self._others or self._others[name].mark != mark:
            self._others[name] = _Sign(mark, now)
        return now - self._others[name].seen > self._patience


def _open(path: Path) -> int:
    # Never through a link that somebody laid there.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with files.explained(path):
        return os.open(path, flags, 0o666)


def _lock(descriptor: int) -> bool:
    """False where another process holds it; file systems without locks always say yes."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
