"""Jobs of submitit: on this machine, and as an array of a stand-in for Slurm (docs/promises.md, 1, 4, 5)."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_server import search_in, table

from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.executors import Cluster, Resources, gpu, make_executor, slurm
from scalectl.search.plan import Plan
from scalectl.training.workspace import Workspace
from scalectl.trial import Progress, Record, State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

LOCAL = Cluster(address="local")

STAND_IN = """#!{python}
import os, re, subprocess, sys
from pathlib import Path

def start(script, index, last):
    ids = {{"JOB_ID": f"{{7 + index}}", "ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": f"{{index}}"}}
    more = {{"PROCID": "0", "LOCALID": "0", "NTASKS": "1", "NNODES": "1", "NODEID": "0"}}
    environment = {{**os.environ, **{{f"SLURM_{{key}}": value for key, value in (ids | more).items()}}}}
    command = ["/bin/sh", script]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=last)

name, *arguments = Path(sys.argv[0]).name, *sys.argv[1:]
with Path("{log}").open("a") as log:
    print(name, *arguments, file=log)
if name == "sbatch":
    text = Path(arguments[0]).read_text()
    Path("{log}.script").write_text(text)
    low, high = re.search(r"#SBATCH --array=(\\d+)-(\\d+)", text).groups()
    for index in range(int(low), int(high) + 1):
        start(arguments[0], index, subprocess.DEVNULL)
    print("Submitted batch job 7")
elif name == "srun":
    command = arguments[next(at for at, argument in enumerate(arguments) if "python" in argument) :]
    os.execv(command[0], command)
elif name == "sacct":
    print("JobID|State")
    for index in range(9):
        print(f"7_{{index}}|RUNNING")
"""
"""Starts every job of an array at once, and knows nothing of partitions."""


def list_jobs(folder: Path) -> list[int]:
    """Processes of jobs below a folder."""
    jobs = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"submitit.core._submit" in words and str(folder).encode() in b" ".join(words):
            jobs.append(int(path.parent.name))
    return jobs


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGKILL])
def test_a_job_that_is_stopped_goes_on_from_its_checkpoint(
    number: int, tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """Preempted, as Slurm says it by a signal; or gone. To the same bits, and in the same command."""
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, epochs=30))
    elsewhere = replace(workspace, checkpoints=tmp_path / "elsewhere" / "checkpoints")
    *_, expected = make_executor("inline", 1).run([trial], elsewhere)
    heard, stopped, record = list[int](), list[int](), None
    for news in make_executor("slurm", 1, LOCAL).run([trial], workspace):
        if isinstance(news, Record):
            record = news
        elif isinstance(news, Progress):
            heard.append(news.epoch)
            if not stopped:
                stopped = list_jobs(tmp_path)
                for process in stopped:
                    os.kill(process, number)
    assert len(stopped) == 1
    assert heard == sorted(set(heard))
    assert heard[-1] == 30
    assert len(heard) >= 29  # one may have been stored and not yet told
    assert record
    assert record.state is State.DONE
    assert isinstance(expected, Record)
    assert (record.curve, record.top1) == (expected.curve, expected.top1)
    assert not list(tmp_path.glob("slurm-*"))


def test_a_job_with_a_gpu_trains_what_fills_it(
    tiny: Plan, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a core. Killed, it goes on without the trials that ended, and to the same bits."""
    monkeypatch.setattr(gpu, "list_devices", lambda _: ["cpu"])
    first, *others = tiny.trials[:3]
    trials = [replace(first, recipe=replace(first.recipe, epochs=150)), *others]
    elsewhere = replace(workspace, checkpoints=tmp_path / "elsewhere" / "checkpoints")
    expected = {
        news.trial.id: (news.curve, news.top1)
        for news in make_executor("inline", 1).run(trials, elsewhere)
        if isinstance(news, Record)
    }
    records, stopped = dict[str, Record](), list[int]()
    place = replace(LOCAL, resources=Resources(gpus=1.0))
    executor = make_executor("slurm", 1, place)
    assert executor.jobs == gpu.MOST
    for news in executor.run(trials, replace(workspace, device="auto")):
        if isinstance(news, Record):
            assert news.trial.id not in records
            records[news.trial.id] = news
            if len(records) == 2:
                stopped = list_jobs(tmp_path)
                for job in stopped:
                    os.kill(job, signal.SIGKILL)
    assert len(stopped) == 1
    assert {name: (record.curve, record.top1) for name, record in records.items()} == expected


def test_jobs_share_trials_in_order(tiny: Plan) -> None:
    """As many as fill a GPU, by number or by activations; one for each job without GPUs."""
    small = [replace(tiny.trials[0], seed=seed) for seed in range(20)]
    cost = replace(small[0].candidate.cost, activations=10**9)
    large = [replace(trial, candidate=replace(trial.candidate, cost=cost)) for trial in small[:2]]
    sizes = [len(share) for share in slurm._share_out(iter([*large, *small]), 1)]
    assert sizes == [1, 1, gpu.MOST, 4]
    assert [len(share) for share in slurm._share_out(iter(small), 2)] == [20]
    assert [len(share) for share in slurm._share_out(iter(small), 0)] == [1] * 20


def test_closing_leaves_no_job(tiny: Plan, workspace: Workspace, tmp_path: Path) -> None:
    """As Ctrl-C does; nor a folder with names of hosts in it."""
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, epochs=5000))
    news = make_executor("slurm", 1, LOCAL).run([trial], workspace)
    while not isinstance(next(news), Progress):
        pass
    assert list_jobs(tmp_path)
    news.close()
    assert not list_jobs(tmp_path)
    assert not list(tmp_path.glob("slurm-*"))


def test_a_command_that_slept_for_long_says_so(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """Its jobs have left, with their folder."""
    news = make_executor("slurm", 1, LOCAL).run(tiny.trials[:1], workspace)
    next(news)
    (folder,) = tmp_path.glob("slurm-*")
    (folder / "alive").unlink()
    with pytest.raises(ScalectlError, match="gave no sign of life for 180 seconds"):
        list(news)


@pytest.mark.parametrize("there", [True, False])
def test_jobs_leave_with_the_command(there: bool, tmp_path: Path) -> None:
    """Where it was killed, it gives no sign of life; where it ended, its folder is gone."""
    script = (
        "import sys; from pathlib import Path; from scalectl.executors import slurm\n"
        "slurm._ABANDONED = 0.1; slurm._PAUSE = 0.05\n"
        "slurm._leave_with_command(Path(sys.argv[1]))"
    )
    folder = tmp_path / "slurm-x"
    if there:
        folder.mkdir()
        (folder / "alive").touch()
    command = [sys.executable, "-c", script, str(folder)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 1
    assert not folder.exists()


def plant_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Slurm, in front of everything else that is called so; the log of its calls."""
    (folder / "bin").mkdir()
    for name in ("sbatch", "srun", "sacct", "scancel"):
        path = folder / "bin" / name
        path.write_text(STAND_IN.format(python=sys.executable, log=folder / "calls"))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
    return folder / "calls"


def test_one_array_of_slurm_is_the_local_search(
    undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the grid file asks for."""
    calls = plant_stand_in(tmp_path, monkeypatch)
    arguments = [*search_in(tmp_path), "--set", "resources.minutes=7", "--set", "watch.memory=2"]
    arguments[arguments.index("inline")] = "slurm"
    command = [sys.executable, "-m", "scalectl", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in calls.read_text().splitlines()].count("sbatch") == 1
    script = calls.with_suffix(".script").read_text().splitlines()
    for line in ("--array=0-3%4", "--time=7", "--cpus-per-task=1", "--mem=6GB", "--requeue"):
        assert f"#SBATCH {line}" in script
    assert table(tmp_path / "run") == undisturbed
    assert not list((tmp_path / "run").glob("slurm-*"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "There is no Slurm here: sbatch and srun are not found."),
        (["--address", "elsewhere"], "--address elsewhere is no place for jobs."),
        (["--address", "local", "--set", "resources.gpus=0.5"], "Slurm gives whole GPUs"),
        (["--address", "local", "--time-budget", "1h"], "cannot time jobs that wait in a queue"),
    ],
)
def test_bad_inputs(
    arguments: Sequence[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["grid", "--executor", "slurm", *arguments])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "runs").exists()
