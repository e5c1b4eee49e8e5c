"""Executors, a slot: one file per way of running trials, and its line in `EXECUTORS`."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, Protocol

from annotated_types import Ge, Gt

from scalectl.executors import hardware
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one trial asks of a cluster, or many that share GPUs."""

    cpus: Annotated[float, Gt(0)] = 1.0
    """Cores; a trial computes on one, and so do all that share GPUs. Slurm gives whole ones."""
    gpus: Annotated[float, Ge(0)] = 0.0
    """Whole GPUs, as a rule 1, on which as many trials as fill them are trained at once; 0 trains on
    cores. Of a part, Ray makes 1."""
    minutes: Annotated[int, Ge(1)] = 60
    """Time limit of a Slurm job; what takes longer goes on in the next job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Which machines an executor trains on, and what it asks of them."""

    address: str = ""
    """The cluster's address, as the executor takes it, or "" for the usual one."""
    resources: Resources = field(default_factory=Resources)
    """What each trial asks for, or all that share GPUs."""


class Executor(Protocol):
    """What an executor offers. How many trials may run at once is said when it is made."""

    @property
    def jobs(self) -> int:
        """Number of trials that run at once."""

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Train every trial, and yield what happens as it happens.

        Trials are taken in order, each when it can start, since others may train the same ones.
        Each gives exactly one `Record`: a trial that dies is a record with a reason, and never the
        end of the others. Closing the generator stops what runs and leaves no process. Raises
        `OutOfSpaceError`, and another `ScalectlError` where nothing can be trained any more.
        """


EXECUTORS = {
    "inline": "scalectl.executors.inline:Inline",
    "processes": "scalectl.executors.processes:Processes",
    "gpu": "scalectl.executors.gpu:Gpu",
    "ray": "scalectl.executors.ray:Ray",
    "slurm": "scalectl.executors.slurm:Slurm",
}
"""Name -> module:class of each executor; imported when it is chosen."""
CLUSTERS = ("ray", "slurm")
"""Names of the executors that train on other machines too."""


def make_executor(name: str, jobs: int, cluster: Cluster | None = None) -> Executor:
    """Make the executor of that name, for `jobs` trials at once; 0 means as many as there is room for.

    Raises `ScalectlError` where what it needs is not installed or not reached.
    """
    module, _, attribute = EXECUTORS[name].partition(":")
    factory: Callable[[int, Cluster], Executor] = getattr(import_module(module), attribute)
    return factory(jobs, cluster or Cluster())


def choose_executor(device: str) -> str:
    """Return the name of the executor that suits a device, as `--device` names it."""
    wants_gpu = device.startswith("cuda") or (device == "auto" and hardware.count_gpus() > 0)
    return "gpu" if wants_gpu else "processes"
