"""Several commands on one folder (docs/promises.md, 3, 4, 5)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_server import EPOCHS, TRIALS, CommandServer, search_in, table
from factories import TINY

from scalectl.store.reader import read_run


def count_epochs(folder: Path) -> int:
    return (folder / "epochs").read_text().count("epoch")


@pytest.mark.parametrize("commands", [2, 4])
def test_commands_share_the_work(commands: int, server: CommandServer, undisturbed: str, tmp_path: Path) -> None:  # fmt: skip
    """Every trial is trained once, each command shows all of them, and the table is the same."""
    arguments = search_in(tmp_path)
    running = [server.start(arguments, tmp_path) for _ in range(commands)]
    assert [server.wait(process) for process in running] == [0] * commands
    assert table(tmp_path / "run") == undisturbed
    assert count_epochs(tmp_path) == TRIALS * EPOCHS
    said = (tmp_path / "stderr").read_text()
    assert said.count(" seed 0 ") + 4 * said.count("trials are in run already") >= TRIALS
    assert (tmp_path / "stdout").read_text().count("Ranking") == commands


def test_without_locks_only_work_is_lost(
    server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """Locks never decide a result."""
    arguments = search_in(tmp_path)
    running = [server.start(arguments, tmp_path, bug="no locks") for _ in range(3)]
    assert [server.wait(process) for process in running] == [0] * 3
    assert table(tmp_path / "run") == undisturbed
    assert count_epochs(tmp_path) > TRIALS * EPOCHS


def test_a_stopped_command_is_overtaken(
    server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """Another one trains its trial, and when it wakes up, it changes nothing."""
    arguments = [*search_in(tmp_path), "--stall", "0.5"]
    sleeper = server.start(arguments, tmp_path)
    while not (tmp_path / "epochs").exists() or count_epochs(tmp_path) < 1:
        time.sleep(0.005)
    os.kill(sleeper, signal.SIGSTOP)
    assert server.run(arguments, tmp_path) == 0
    records = read_run(tmp_path / "run").records
    os.kill(sleeper, signal.SIGCONT)
    assert server.wait(sleeper) == 0
    assert read_run(tmp_path / "run").records == records
    assert table(tmp_path / "run") == undisturbed


def test_real_commands_share_the_work_of_real_processes(
    server: CommandServer, tmp_path: Path
) -> None:
    """Two of them with two trials at once each; a third one when all is done has nothing to do."""
    settings = [part for override in TINY for part in ("--set", override)]
    arguments = ["grid", "-o", "run", *settings]
    command = [sys.executable, "-m", "scalectl", *arguments, "--jobs", "2"]
    running = [
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    together = table(tmp_path / "run")
    assert server.run([*arguments, "--executor", "inline"], tmp_path) == 0
    assert "5 of 5 trials are in run already" in (tmp_path / "stderr").read_text()
    alone = tmp_path / "alone"
    alone.mkdir()
    assert server.run([*arguments, "--executor", "inline"], alone) == 0
    assert table(alone / "run") == together
