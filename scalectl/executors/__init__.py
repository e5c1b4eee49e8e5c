"""Executors, a slot: one file per way of running trials, and its line in `EXECUTORS`."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from scalectl.trial import Limits, News, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What the trials of a search share on the machine that trains them."""

    data: str
    """As `datasets.open_dataset` takes it."""
    limits: Limits
    cache: Path
    """Folder for rendered splits."""
    checkpoints: Path
    """Folder for where each trial stands."""
    device: str
    """As torch names it, or "auto"."""
    stall: float
    """Seconds without a step after which a trial is stopped."""
    memory: int
    """Bytes that one trial may take."""


class Executor(Protocol):
    """What an executor must offer. It is told how many trials may run at once when it is made."""

    jobs: int
    """How many do run at once."""

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Train every trial; yield as things happen.

        Trials are taken in order, each when it can start, since others may train the same ones.
        There is exactly one `Record` for each: one that dies is a record with a reason, and never
        the end of the others. Closing the generator stops what runs and leaves no process. Raises
        `OutOfSpaceError` alone.
        """


EXECUTORS = {
    "inline": "scalectl.executors.inline:Inline",
    "processes": "scalectl.executors.processes:Processes",
}
"""Name -> where its class is; imported when chosen."""


def make_executor(name: str, jobs: int) -> Executor:
    """The executor of that name, for `jobs` trials at once."""
    module, _, attribute = EXECUTORS[name].partition(":")
    factory: Callable[[int], Executor] = getattr(import_module(module), attribute)
    return factory(jobs)
