"""Leave a search by a signal, so that the same command continues it."""

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from scalectl.errors import ScalectlError


@contextmanager
def continuable(run: Path) -> Iterator[None]:
    """Leave with 130 on Ctrl-C, 143 on SIGTERM and 129 on SIGHUP, and say how to go on."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for caught in numbers:
            signal.signal(caught, signal.SIG_DFL)  # a second time, it ends at once
        raise _StoppedError(number)

    # What the caller ignores stays ignored: nohup.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    previous = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    except _StoppedError as stopped:
        raise ScalectlError(
            f"Interrupted. Every finished trial is in {run}; to continue, run the same command: "
            f"{shlex.join(['scalectl', *sys.argv[1:]])}",
            exit_code=128 + stopped.number,
        ) from None
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


class _StoppedError(BaseException):
    """Not an `Exception`: what is raised in a trial that runs in this process is not its failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
