"""Groups of trials as jobs of Slurm, by submitit: one array; each in a process, watched there.

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

from scalectl import files
from scalectl.errors import ScalectlError
from scalectl.executors import Cluster, Group, Workspace, give_up
from scalectl.executors.processes import Processes, starting_deaf
from scalectl.rows import decode, encode
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

_ARRAY = 1000
"""Jobs of one array, as Slurm allows unless it is told otherwise (MaxArraySize)."""
_PAUSE = 1.0
"""Seconds between looks at what jobs have left."""
_LOOK = 5.0
"""Seconds between questions to Slurm whether a job is still there."""
_ABANDONED = 180.0
"""Seconds without a sign of life of the command, after which its jobs leave."""
_LOSSES = 3
"""Jobs that ended without an epoch in between, after which it may be the trial's doing."""
_TIMEOUTS = 1000
"""How often one job may go on where its time was over."""
_OVERHEAD = 4.0
"""GiB of a job beside what its trial may take: torch, and who watches."""


@dataclass(slots=True)
class _Job:
    """A group that runs, or waits in Slurm's queue."""

    left: dict[str, Trial]
    """Trials without a record yet, by id."""
    handle: Any
    """submitit's."""
    epochs: dict[str, int] = field(default_factory=dict)
    """The last one of each that was heard of."""
    missed: int = 0
    """Looks in a row at which the job was over without a record."""
    losses: int = 0
    """Of jobs, since the last epoch."""


class Slurm:
    """Keeps jobs in a queue."""

    def __init__(self, jobs: int, cluster: Cluster) -> None:
        self.jobs = jobs or _ARRAY
        self._kind = cluster.address or "slurm"
        self._resources = cluster.resources
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

    def run(self, groups: Iterable[Group], workspace: Workspace) -> Generator[News, None, None]:
        """Submit all there is room for, at first as one array; yield what jobs leave."""
        source, run = iter(groups), workspace.checkpoints.absolute().parent
        files.make_folder(run)
        with files.explained(run):  # for this user alone: submitit runs what it finds there
            folder = Path(tempfile.mkdtemp(prefix="slurm-", dir=run))
        try:
            queue = _Queue(self._make_executor(folder, workspace), folder, workspace)
            try:
                while True:
                    queue.submit(list(islice(source, self.jobs - len(queue))))
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
            slurm_array_parallelism=self.jobs,
            slurm_additional_parameters={"requeue": True},
            **({"mem_gb": memory + _OVERHEAD} if memory else {}),
        )
        return executor


class _Queue:
    """The jobs of one command, and the folder where they leave what happens."""

    def __init__(self, executor: Any, folder: Path, workspace: Workspace) -> None:
        self._executor = executor
        self._folder = folder
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

    def submit(self, groups: Sequence[Group]) -> None:
        """As one array. Raises `ScalectlError` where Slurm refuses them."""
        for group, handle in zip(groups, self._hand_over(groups), strict=True):
            self._jobs.append(_Job({one.id: one for one in group}, handle))

    def look(self) -> Iterator[News]:
        """What jobs have left since the last look; lost ones are submitted again."""
        try:
            os.utime(self._folder / _ALIVE)
        except FileNotFoundError:
            raise ScalectlError(
                f"This command gave no sign of life for {_ABANDONED:g} seconds, and its jobs left.",
                "Run the same command again: it goes on where they were.",
            ) from None
        names = {path.name for path in self._folder.iterdir()}
        for job in self._jobs:
            for trial in list(job.left.values()):
                yield from self._collect(job, trial, names)
        self._jobs = [job for job in self._jobs if job.left]
        if time.monotonic() - self._asked > _LOOK:
            self._asked = time.monotonic()
            yield from self._replace_lost()

    def cancel(self, kind: str) -> None:
        """All of them at once; those of this machine are waited for."""
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
        while time.monotonic() < patience and not all(one.done() for one in self._handles):
            time.sleep(0.05)

    def _hand_over(self, groups: Sequence[Group]) -> list[Any]:
        if not groups:
            return []
        from submitit.core.utils import FailedJobError

        work = [_Work(group, self._workspace, self._folder) for group in groups]
        try:
            with starting_deaf():
                handles: list[Any] = self._executor.submit_array(work)
        except (FailedJobError, OSError, subprocess.CalledProcessError) as problem:
            reason = (str(problem).strip().splitlines() or ["no reason was given"])[-1]
            raise ScalectlError(
                f"Slurm takes no jobs: {reason}.", "SBATCH_PARTITION and the like say where to."
            ) from None
        self._handles += handles
        return handles

    def _collect(self, job: _Job, trial: Trial, names: set[str]) -> Iterator[News]:
        last = trial.recipe.epochs
        # One is missing where a job was stopped right after its checkpoint.
        for epoch in range(job.epochs.get(trial.id, 0) + 1, last + 1):
            if (scores := _name_epoch(trial.id, epoch)) in names:
                job.epochs[trial.id], job.losses = epoch, 0
                content = json.loads((self._folder / scores).read_bytes())
                yield Progress(trial=trial, epoch=epoch, **content)
        if _name_record(trial.id) in names:
            (record,) = decode((self._folder / _name_record(trial.id)).read_bytes())
            del job.left[trial.id]
            yield record
        else:
            steps = trial.steps * job.epochs.get(trial.id, 0) // last
            yield Heartbeat(trial=trial, steps=steps)

    def _replace_lost(self) -> Iterator[News]:
        """A job that Slurm no longer knows is lost, unless its record arrives by the next question."""
        for job in self._jobs:
            job.missed = job.missed + 1 if job.handle.done() else 0
            if job.missed < 2:
                continue
            job.losses += 1
            if job.losses >= _LOSSES:
                yield from give_up(job.left.values(), State.KILLED, _GIVEN_UP)
                job.left.clear()
                continue
            (job.handle,) = self._hand_over([list(job.left.values())])
            job.missed = 0
        self._jobs = [job for job in self._jobs if job.left]


_ALIVE = "alive"
"""A file that the command touches: a sign of life for its jobs."""
_GIVEN_UP = f"its job ended {_LOSSES} times without an epoch in between"


_SCORES = ("train_loss", "loss", "top1")
"""What is left of an epoch."""


def _name_record(name: str) -> str:
    return f"{name}.parquet"


def _name_epoch(name: str, epoch: int) -> str:
    return f"{name}.{epoch}.json"


@dataclass(frozen=True, slots=True)
class _Work:
    """What a job does. submitit calls it again where it was preempted."""

    trials: Group
    workspace: Workspace
    folder: Path

    def __call__(self) -> None:
        """Train; leave each epoch's scores, and the records."""
        threading.Thread(target=_leave_with_command, args=(self.folder,), daemon=True).start()
        with closing(Processes(1).run([self.trials], self.workspace)) as events:
            for news in events:
                name = news.trial.id
                if isinstance(news, Progress):
                    scores = {part: getattr(news, part) for part in _SCORES}
                    path = self.folder / _name_epoch(name, news.epoch)
                    files.replace(path, json.dumps(scores).encode())
                elif isinstance(news, Record):
                    files.replace(self.folder / _name_record(name), encode([news]))

    def checkpoint(self) -> Any:
        """The same once more: where it stands is in the run's folder."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _leave_with_command(folder: Path) -> None:
    """No job outlives the command that submitted it for long; nor does their folder."""
    mark, seen = 0, time.monotonic()
    while time.monotonic() - seen < _ABANDONED:
        try:
            found = (folder / _ALIVE).stat().st_mtime_ns
        except FileNotFoundError:
            break
        if found != mark:
            mark, seen = found, time.monotonic()
        time.sleep(_PAUSE)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
