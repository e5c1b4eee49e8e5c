"""Executors, a slot: one file per way of running trials, and its line in `EXECUTORS`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from scalectl.trial import Limits, Progress, Record, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What the trials of a search share on the machine that trains them."""

    data: str
    """As `datasets.open_dataset` takes it."""
    limits: Limits
    cache: Path
    """Folder for rendered splits."""
    device: str
    """As torch names it, or "auto"."""
    threads: int
    """Of one trial."""


class Executor(Protocol):
    """What an executor must offer. It is told how many trials may run at once when it is made."""

    def run(self, trials: Sequence[Trial], workspace: Workspace) -> Iterator[Progress | Record]:
        """Train every trial, starting in the given order; yield as things happen.

        There is exactly one `Record` for each trial: one that dies is a record with a reason, and
        never the end of the others. Closing the iterator stops what runs and leaves no process.
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
