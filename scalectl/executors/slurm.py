"""Train trials as jobs of a Slurm array, by submitit: each in a process, watched there; with GPUs, as
many in a job as fill them.

The run's folder has to be on a disk that all nodes share: there jobs leave what happens, and a trial
that was preempted, or took longer than a job may, finds its checkpoint when Slurm starts it again.
Partition, account and the like are sbatch's own environment variables, such as SBATCH_PARTITION.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

from scalectl.errors import ScalectlError
from scalectl.executors import Cluster, gpu
from scalectl.executors.processes import Processes, ignoring_interrupts
from scalectl.store import atomic
from scalectl.store.parquet import decode, encode
from scalectl.training.workspace import Workspace
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

_ARRAY = 1000
"""Most jobs of one array, Slurm's own default (MaxArraySize)."""
_PAUSE = 1.0
"""Seconds between looks at the files that jobs leave."""
_LOOK = 5.0
"""Seconds between questions to Slurm whether a job is still there."""
_ABANDONED = 180.0
"""Seconds without a sign of life of the command, after which its jobs leave."""
_LOSSES = 3
"""Jobs that ended without an epoch in between, after which its trials count as killed."""
_TIMEOUTS = 1000
"""How often a job may go on after its time was over."""
_OVERHEAD = 4.0
"""GiB of a job beside what its trial may take: torch, and the process that watches."""


@dataclass(slots=True)
class _Job:
    """Trials that run together, or wait in Slurm's queue."""

    trials: dict[str, Trial]
    """Those without a record, by id."""
    handle: Any
    """The job, as submitit knows it."""
    epochs: dict[str, int] = field(default_factory=dict)
    """The last epoch of each trial whose scores have arrived."""
    missed: int = 0
    """Looks in a row at which the job was over without all records."""
    losses: int = 0
    """Jobs lost since the last epoch."""


class Slurm:
    """An executor that keeps jobs in Slurm's queue."""

    def __init__(self, jobs: int, cluster: Cluster) -> None:
        self._most = jobs or _ARRAY
        """Most jobs in the queue."""
        self._kind = cluster.address or "slurm"
        self._resources = cluster.resources
        self.jobs = self._most * int(gpu.MOST * self._resources.gpus or 1)
        if find_spec("submitit") is None:
            raise ScalectlError(
                "--executor slurm needs submitit, which is not installed.",
                'Run python -m pip install "scalectl[slurm]".',
            )
        if self._kind not in ("slurm", "local"):
            raise ScalectlError(
                f"--address {self._kind} is no place for jobs.", "Leave it out, or give local."
            )
        if self._kind == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise ScalectlError(
                "There is no Slurm here: sbatch and srun are not found.",
                "Run the command where you submit jobs; --address local tries it without Slurm.",
            )
        if not self._resources.gpus.is_integer():
            raise ScalectlError(
                f"resources.gpus is {self._resources.gpus:g}, but Slurm gives whole GPUs.",
                "Set it to 0 or 1.",
            )

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        """Submit as many trials as there is room for, at first as one array; yield their news."""
        source, run = iter(trials), workspace.checkpoints.absolute().parent
        devices = [] if workspace.device == "cpu" else gpu.list_devices(self._resources.gpus)
        atomic.make_folder(run)
        with atomic.explain_errors(run):  # for this user alone: submitit runs what it finds there
            folder = Path(tempfile.mkdtemp(prefix="slurm-", dir=run))
        try:
            queue = _Queue(self._make_executor(folder, workspace), folder, workspace, devices)
            try:
                while True:
                    shares = _share_out(source, len(devices))
                    queue.submit(list(islice(shares, self._most - len(queue))))
                    if not len(queue):
                        return
                    yield from queue.look()
                    time.sleep(_PAUSE)
            finally:
                queue.cancel(self._kind)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _make_executor(self, folder: Path, workspace: Workspace) -> Any:
        import submitit

        executor = submitit.AutoExecutor(folder, self._kind, slurm_max_num_timeout=_TIMEOUTS)
        memory = workspace.memory / 2**30
        executor.update_parameters(
            name="scalectl",
            timeout_min=self._resources.minutes,
            cpus_per_task=ceil(self._resources.cpus),
            gpus_per_node=int(self._resources.gpus),
            slurm_array_parallelism=self._most,
            slurm_additional_parameters={"requeue": True},
            **({"mem_gb": memory + _OVERHEAD} if memory else {}),
        )
        return executor


def _share_out(trials: Iterator[Trial], gpus: int) -> Iterator[list[Trial]]:
    """Yield the trials of each job, in order: as many as fill the GPUs, or one where there is none."""
    share: list[Trial] = []
    for trial in trials:
        share.append(trial)
        if not gpus or gpu.is_full(share, gpus):
            yield share
            share = []
    if share:
        yield share


class _Queue:
    """The jobs of one command, and the folder where they leave what happens."""

    def __init__(
        self, executor: Any, folder: Path, workspace: Workspace, devices: list[str]
    ) -> None:
        self._executor = executor
        self._folder = folder
        self._devices = devices
        self._workspace = replace(
            workspace,
            cache=workspace.cache.absolute(),
            checkpoints=workspace.checkpoints.absolute(),
        )
        self._jobs: list[_Job] = []
        self._handles: list[Any] = []
        self._asked = time.monotonic()
        (folder / _ALIVE).touch()

    def __len__(self) -> int:
        return len(self._jobs)

    def submit(self, shares: Sequence[Sequence[Trial]]) -> None:
        """Submit the trials of each job, as one array. Raises `ScalectlError` where Slurm refuses."""
        named = [{trial.id: trial for trial in share} for share in shares]
        self._jobs += map(_Job, named, self._hand_over(shares))

    def look(self) -> Iterator[News]:
        """Yield what jobs have left since the last look; submit lost ones again."""
        try:
            os.utime(self._folder / _ALIVE)
        except FileNotFoundError:
            raise ScalectlError(
                f"This command gave no sign of life for {_ABANDONED:g} seconds, and its jobs left.",
                "Run the same command again: it goes on where they were.",
            ) from None
        names = {path.name for path in self._folder.iterdir()}
        for job in self._jobs:
            for trial in list(job.trials.values()):
                yield from self._collect(trial, job, names)
        self._jobs = [job for job in self._jobs if job.trials]
        if time.monotonic() - self._asked > _LOOK:
            self._asked = time.monotonic()
            yield from self._replace_lost()

    def cancel(self, kind: str) -> None:
        """Cancel all jobs at once, and wait for those on this machine."""
        if kind == "slurm":
            left = {job.handle.job_id.partition("_")[0] for job in self._jobs}
            if not left:
                return
            with suppress(OSError, subprocess.TimeoutExpired):
                command = [shutil.which("scancel") or "scancel", *sorted(left)]
                subprocess.run(command, check=False, timeout=4)  # noqa: S603 - numbers of ours
            return
        shutil.rmtree(self._folder, ignore_errors=True)  # at which they leave
        for job in self._jobs:
            with suppress(ProcessLookupError):  # those that have not begun leave at this
                os.kill(int(job.handle.job_id), signal.SIGTERM)
        patience = time.monotonic() + 4
        while time.monotonic() < patience and not all(job.done() for job in self._handles):
            time.sleep(0.05)

    def _hand_over(self, shares: Sequence[Sequence[Trial]]) -> list[Any]:
        if not shares:
            return []
        from submitit.core.utils import FailedJobError

        work = [
            _Work(tuple(share), self._workspace, self._folder, self._devices) for share in shares
        ]
        try:
            with ignoring_interrupts():
                handles: list[Any] = self._executor.submit_array(work)
        except (FailedJobError, OSError, subprocess.CalledProcessError) as problem:
            reason = (str(problem).strip().splitlines() or ["no reason was given"])[-1]
            raise ScalectlError(
                f"Slurm takes no jobs: {reason}.", "SBATCH_PARTITION and the like say where to."
            ) from None
        self._handles += handles
        return handles

    def _collect(self, trial: Trial, job: _Job, names: set[str]) -> Iterator[News]:
        last = trial.recipe.epochs
        # One is missing where a job was stopped right after its checkpoint.
        for epoch in range(job.epochs.get(trial.id, 0) + 1, last + 1):
            if (scores := _name_epoch(trial.id, epoch)) in names:
                job.epochs[trial.id], job.losses = epoch, 0
                content = json.loads((self._folder / scores).read_bytes())
                yield Progress(trial=trial, epoch=epoch, **content)
        if _name_record(trial.id) in names:
            (record,) = decode((self._folder / _name_record(trial.id)).read_bytes())
            del job.trials[trial.id]
            yield record
        else:
            yield Heartbeat(trial=trial, steps=trial.steps * job.epochs.get(trial.id, 0) // last)

    def _replace_lost(self) -> Iterator[News]:
        """Submit again what Slurm did not know twice: once, the records may be on their way."""
        for job in self._jobs:
            job.missed = job.missed + 1 if job.handle.done() else 0
            if job.missed < 2:
                continue
            job.losses += 1
            if job.losses >= _LOSSES:
                for trial in job.trials.values():
                    yield Record(trial=trial, state=State.KILLED, error=_GIVEN_UP)
                job.trials.clear()
                continue
            (job.handle,) = self._hand_over([list(job.trials.values())])
            job.missed = 0
        self._jobs = [job for job in self._jobs if job.trials]


_ALIVE = "alive"
"""Name of a file that the command touches: a sign of life for its jobs."""
_GIVEN_UP = f"its job ended {_LOSSES} times without an epoch in between"


def _name_record(name: str) -> str:
    return f"{name}.parquet"


def _name_epoch(name: str, epoch: int) -> str:
    return f"{name}.{epoch}.json"


@dataclass(frozen=True, slots=True)
class _Work:
    """The work of a job; submitit calls it again after the job was preempted."""

    trials: tuple[Trial, ...]
    workspace: Workspace
    folder: Path
    devices: list[str]
    """The GPUs that it gets, if any."""

    def __call__(self) -> None:
        """Train those without a record; leave each epoch's scores, and the records, in the folder."""
        threading.Thread(target=_leave_with_command, args=(self.folder,), daemon=True).start()
        names = {path.name for path in self.folder.iterdir()}
        left = [trial for trial in self.trials if _name_record(trial.id) not in names]
        with closing(self._train(left)) as events:
            for news in events:
                name = news.trial.id
                if isinstance(news, Progress):
                    scores = {"train_loss": news.train_loss, "loss": news.loss, "top1": news.top1}
                    path = self.folder / _name_epoch(name, news.epoch)
                    atomic.replace(path, json.dumps(scores).encode())
                elif isinstance(news, Record):
                    atomic.replace(self.folder / _name_record(name), encode([news]))

    def _train(self, trials: Sequence[Trial]) -> Generator[News, None, None]:
        if not self.devices:
            return Processes(1).run(trials, self.workspace)
        return gpu.train_once(trials, self.devices, self.workspace)

    def checkpoint(self) -> Any:
        """Ask submitit to submit the same again: the checkpoints are in the run's folder."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _leave_with_command(folder: Path) -> None:
    """End this job, and remove the folder, where the command gives no sign of life any more."""
    mark, seen = 0, time.monotonic()
    while time.monotonic() - seen < _ABANDONED:
        try:
            current = (folder / _ALIVE).stat().st_mtime_ns
        except FileNotFoundError:
            break
        if current != mark:
            mark, seen = current, time.monotonic()
        time.sleep(_PAUSE)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
