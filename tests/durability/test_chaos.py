"""Some seconds of `chaos.py`: searches of one to four commands, killed at random."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from chaos import Tally, torment
from command_server import CommandServer, search_in, table
from processes import find_processes, wait_until


def has_more_locks(run: Path, than: int) -> bool:
    return len(list(run.glob("locks/*"))) > than


@pytest.mark.parametrize("part", range(4))
def test_killed_at_random(
    part: int, server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """The same command always ends with the same table; no kill costs more than an epoch."""
    tally, start = Tally(), 1000 * part + random.Random(part).randrange(1000)
    while tally.kills < 25:
        seed = start + tally.searches
        torment(server, tmp_path / str(seed), seed, undisturbed, tally)
    assert tally.violations == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_whole_tree_is_killed(undisturbed: str, tmp_path: Path) -> None:
    """Command, server and trials, in any order, once there is something to lose; then it ends."""
    dice, mark = random.Random(1), str(uuid4())
    environment = {**os.environ, "SCALECTL_MARK": mark}
    arguments = [*search_in(tmp_path), "--executor", "processes", "--jobs", "2"]
    command = [sys.executable, "-m", "scalectl", *arguments]
    run, killed = tmp_path / "run", 0
    for _ in range(3):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment)
        before = len(list(run.glob("locks/*")))
        wait_until(partial(has_more_locks, run, min(before, 3)))
        time.sleep(dice.uniform(0, 0.4))
        tree = find_processes(mark)
        killed += len(tree)
        for process_id in dice.sample(tree, len(tree)):
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not find_processes(mark))
    assert killed >= 4
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert table(run) == undisturbed
    assert not list(run.glob("trials/*.*.parquet")), "a kill of everything is no trial's failure"
