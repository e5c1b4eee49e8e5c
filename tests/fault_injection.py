"""Ways to break scalectl: faults at the system calls of `files.py`, and planted bugs.

Every write of scalectl goes through that file, so that a fault at its N-th call, for all N, breaks
every step of every write. Nothing of this is in the package itself.
"""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scalectl.store import atomic, locks
from scalectl.training import loop
from scalectl.training.learner import Learner

STEPS = ("open", "write", "fsync", "close", "link", "replace", "rename", "unlink", "mkdir")


class Calls:
    """Stands for `os` in `files.py`: what `before` makes of each numbered call comes first."""

    def __init__(self, before: Callable[[int, str, tuple[Any, ...]], None]) -> None:
        self._before = before
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in STEPS:
            return call

        def numbered(*arguments: Any) -> Any:
            self._count += 1
            self._before(self._count, name, arguments)
            return call(*arguments)

        return numbered


def break_at(kind: str, at: int) -> None:
    """From now on in this process, the call with that number is the last one, or fails."""

    def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if number != at:
            return
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "short-write":
            if name == "write":
                descriptor, content = arguments
                os.write(descriptor, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(getattr(errno, kind), os.strerror(getattr(errno, kind)))

    atomic.os = Calls(before)  # type: ignore[attr-defined, assignment]


def write_in_place() -> None:
    """Piece by piece under the final name, as if nobody ever interrupted."""

    def write(path: Path, content: bytes) -> bool:
        descriptor = atomic.os.open(  # type: ignore[attr-defined]
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        )
        for start in range(0, len(content), 1024):
            atomic.os.write(  # type: ignore[attr-defined]
                descriptor, content[start : start + 1024]
            )
        atomic.os.close(descriptor)  # type: ignore[attr-defined]
        return True

    atomic.replace = atomic.publish = write  # type: ignore[assignment]


def draw_from_one_stream() -> None:
    """Random numbers that depend on what was drawn before, as after a common `manual_seed`."""
    import torch

    torch.manual_seed(0)
    loop._seed = lambda *_: None
    loop._draw = lambda seed, epoch, count: (  # noqa: ARG005
        torch.randperm(count),
        torch.rand(count, 3),
    )


def forget_checkpoints() -> None:
    """Every interrupted trial begins again."""
    loop._save = lambda *_: None


def lock_nothing() -> None:
    """As on a file system whose locks do not hold."""
    locks._lock = lambda descriptor: True  # noqa: ARG005


def limit_room(most: int) -> None:
    """From now on in this process, more than so many trainings at once have no memory on the GPU."""
    import torch

    learn, running = Learner.learn, [0]

    def learn_with_room(*arguments: Any) -> Any:
        running[0] += 1
        try:
            if running[0] > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return (yield from learn(*arguments))
        finally:
            running[0] -= 1

    Learner.learn = learn_with_room  # type: ignore[method-assign, assignment]


def hang(seed: int) -> None:
    """From now on in this process, no trial of that seed comes to an end, nor does the process."""
    draw = loop._draw

    def draw_or_hang(drawn: int, epoch: int, count: int) -> Any:
        if drawn == seed:
            time.sleep(1000)
        return draw(drawn, epoch, count)

    loop._draw = draw_or_hang  # type: ignore[assignment]


def work_on_gpu(fault: Callable[[], None], *arguments: Any) -> None:
    """Be the process of a GPU that has a fault."""
    from scalectl.executors import gpu

    fault()
    gpu._work(*arguments)


BUGS = {
    "in place": write_in_place,
    "one stream": draw_from_one_stream,
    "no checkpoint": forget_checkpoints,
    "no locks": lock_nothing,
}
