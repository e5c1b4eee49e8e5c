"""Executors, a slot: one file per way of running trials, and its line in `EXECUTORS`."""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

from scalectl.grid import Resources
from scalectl.trial import Limits, News, Record, State, Trial


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
    """Bytes that one trial, or group, may take; 0 means an equal part of the machine's."""
    seeds_per_step: int
    """How many trials a group has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the executors of several machines train."""

    address: str = ""
    """As the executor takes it, or "" for the usual one."""
    resources: Resources = field(default_factory=Resources)
    """What each trial asks for."""


Group = Sequence[Trial]
"""One trial; or several that differ in their seeds alone, which take each step of training together."""


class Executor(Protocol):
    """What an executor must offer. It is told how many trials may run at once when it is made."""

    @property
    def jobs(self) -> int:
        """How many do run at once."""

    def run(self, groups: Iterable[Group], workspace: Workspace) -> Generator[News, None, None]:
        """Train every trial; yield as things happen.

        Groups are taken in order, each when it can start, since others may train the same trials.
        There is exactly one `Record` for each trial: one that dies is a record with a reason, and
        never the end of those of other groups. Closing the generator stops what runs and leaves no
        process. Raises `OutOfSpaceError`, and another `ScalectlError` where nothing can be trained
        any more.
        """


EXECUTORS = {
    "inline": "scalectl.executors.inline:Inline",
    "processes": "scalectl.executors.processes:Processes",
    "ray": "scalectl.executors.ray:Ray",
    "slurm": "scalectl.executors.slurm:Slurm",
}
"""Name -> where its class is; imported when chosen."""
CLUSTERS = ("ray", "slurm")
"""Those that train on other machines too."""


def make_executor(name: str, jobs: int, cluster: Cluster | None = None) -> Executor:
    """The executor of that name, for `jobs` trials at once; 0 means as many as there is room for.

    Raises `ScalectlError` where what it needs is not installed or not reached.
    """
    module, _, attribute = EXECUTORS[name].partition(":")
    factory: Callable[[int, Cluster], Executor] = getattr(import_module(module), attribute)
    return factory(jobs, cluster or Cluster())


def give_up(trials: Iterable[Trial], state: State, reason: str) -> list[Record]:
    """The records of those that a process, task or job leaves without one."""
    return [Record(trial=trial, state=state, error=reason) for trial in trials]


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_memory() -> int:
    """Bytes of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
