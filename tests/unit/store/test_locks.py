import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scalectl.errors import ScalectlError
from scalectl.store.locks import Locks

_HOLD = """
import sys, time
from pathlib import Path
from scalectl.store.locks import Locks
locks = Locks(Path(sys.argv[1]), 100)
print(locks.acquire("trial"), flush=True)
time.sleep(100)
"""

_COUNT = """
import sys
from pathlib import Path
from scalectl.store.locks import Locks
folder = Path(sys.argv[1])
locks, counter, done = Locks(folder, 100), folder / "counter", 0
while done < 200:
    if locks.acquire("trial"):
        counter.write_text(str(int(counter.read_text()) + 1))
        locks.release("trial")
        done += 1
"""


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_one_command_has_a_trial(tmp_path: Path) -> None:
    """Until it gives it back."""
    ours, theirs = Locks(tmp_path, 100), Locks(tmp_path, 100)
    assert ours.acquire("trial")
    assert not theirs.acquire("trial")
    assert theirs.acquire("another")
    ours.release("trial")
    assert theirs.acquire("trial")
    theirs.release_all()
    assert ours.acquire("another")
    ours.release_all()


def test_commands_never_have_one_at_the_same_time(tmp_path: Path) -> None:
    """Eight processes, two hundred times each: no count is lost."""
    (tmp_path / "counter").write_text("0")
    for process in [start(_COUNT, tmp_path) for _ in range(8)]:
        assert process.wait(timeout=120) == 0
        process.communicate()
    assert (tmp_path / "counter").read_text() == "1600"


def test_a_killed_command_holds_nothing(tmp_path: Path) -> None:
    """The kernel lets go at once: there is no command to unlock."""
    with start(_HOLD, tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        locks = Locks(tmp_path, 100)
        assert not locks.acquire("trial")
        process.kill()
        process.wait()
        assert locks.acquire("trial")
        locks.release_all()


def test_a_sign_of_life_is_of_all_that_are_held(tmp_path: Path) -> None:
    """Of a group of seeds too, of which one may be trained after the other."""
    locks, names = Locks(tmp_path, 0.5), ("one", "another", "given back")
    assert all(map(locks.acquire, names))
    locks.release("given back")
    for name in names:
        os.utime(tmp_path / name, (1, 1))
    locks.touch()
    assert [(tmp_path / name).stat().st_mtime > 1 for name in names] == [True, True, False]
    locks.release_all()


def test_a_sleeping_command_is_overtaken(tmp_path: Path) -> None:
    """Only when it has given no sign of life for long enough: the file's time has not changed."""
    with start(_HOLD, tmp_path) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        locks = Locks(tmp_path, 0.3)
        assert not locks.acquire("trial")
        time.sleep(0.2)
        os.utime(tmp_path / "trial", (1, 1))  # a sign of life, whatever the clock says
        assert not locks.acquire("trial")
        time.sleep(0.2)
        assert not locks.acquire("trial")
        time.sleep(0.2)
        assert locks.acquire("trial")
        locks.release_all()
        process.kill()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write to the folder may not have other files touched."""
    victim = tmp_path / "victim"
    (tmp_path / "trial").symlink_to(victim)
    with pytest.raises(ScalectlError, match="cannot be written"):
        Locks(tmp_path, 100).acquire("trial")
    assert not victim.exists()


def test_file_systems_without_locks_only_cost_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take it, and the first to publish wins."""

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    ours, theirs = Locks(tmp_path, 100), Locks(tmp_path, 100)
    assert ours.acquire("trial")
    assert theirs.acquire("trial")
    ours.release_all()
    theirs.release_all()
