"""Trials that do what no trial should, through a user's factory, and processes that must not stay."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from factories import TINY
from processes import find_processes, wait_until

CODE = """
import os, subprocess, time
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, kind, deep, wide, classes):
        super().__init__()
        layers = [nn.Conv2d(3, wide, 3, stride=2, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
        for _ in range(deep):
            layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
        self.kind = kind
        self.body = nn.Sequential(*layers)
        self.top = nn.Linear(wide, classes)

    def forward(self, images):
        if self.training and images.device.type != "meta":
            globals().get(self.kind, int)()
        return self.top(self.body(images).mean((2, 3)))


def allocate():
    hoard = []
    while True:
        hoard.append(torch.ones(2**22))


def divide():
    1 / 0


def leave():
    os._exit(7)


def sleep():
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sleep", "1000"], start_new_session=True)  # out of reach of its group
    time.sleep(1000)


def build(depth, width, resolution, num_classes):
    kind = "none"
    if depth > 1.6:
        kind = "divide"
    elif depth > 1.3:
        kind = "leave"
    elif width > 1.3:
        kind = "sleep"
    elif resolution > 20 and width < 1.1:
        kind = "allocate"
    return Net(kind, max(1, round(3 * depth)), max(4, round(8 * width)), num_classes)
"""
SETTINGS = [
    part
    for override in (*TINY, "proxy.width=1", "design.degree=2", "design.max_candidates=0")
    for part in ("--set", override)
]
GRID = [sys.executable, "-m", "scalectl", "grid", "-o", "run", *SETTINGS]
EXPECTED = {
    "resolution": ("out_of_memory", "can't allocate memory"),
    "depth": ("error", "ZeroDivisionError: division by zero (divide"),
    "width": ("stalled", "it took no step for 4 seconds, and was stopped"),
    "": ("killed", "the process left with exit code 7"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_trials_that_go_wrong_are_rows_with_reasons(tmp_path: Path) -> None:
    """The rest is unharmed, exit code 6; they are tried again as often as allowed, and no more."""
    (tmp_path / "bad_nets.py").write_text(CODE)
    mark = f"SCALECTL_MARK={uuid4()}"
    environment = {**os.environ, **dict([mark.split("=")])}
    command = [*GRID, "--baseline", "bad_nets:build@64", "--stall", "4"]
    command += ["--set", "watch.memory=0.5", "--set", "watch.retries=1", "--json"]
    for tries in (1, 2, 2):
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert result.returncode == 6, result.stderr
        assert "Traceback" not in result.stderr
        names = [path.stem.partition(".") for path in (tmp_path / "run" / "trials").iterdir()]
        failures = [number for _, dot, number in names if dot]
        assert max(failures) == str(tries)
        assert failures.count("1") == failures.count(str(tries)) >= 4
    document = json.loads(result.stdout)
    control = {
        candidate["fingerprint"]: candidate["control"] for candidate in document["candidates"]
    }
    states = {}
    for record in document["records"]:
        name = control[record["fingerprint"]]
        states[name] = record["state"]
        if record["state"] != "done":
            state, reason = EXPECTED[name]
            assert record["state"] == state
            assert reason in record["error"]
            assert record["top1"] is None
    assert {"resolution", "depth", "width", ""} <= states.keys()
    assert states["baseline"] == states["dwr"] == "done"
    wait_until(lambda: not find_processes(mark))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_nothing_outlives_a_killed_command(tmp_path: Path) -> None:
    """Not the server, not the trials, though one of them sleeps and one is stopped."""
    mark = f"SCALECTL_MARK={uuid4()}"
    environment = {**os.environ, **dict([mark.split("=")])}
    command = [*GRID, "--jobs", "2", "--set", "proxy.epochs=1000", "-q"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    checkpoints = tmp_path / "run" / "checkpoints"
    wait_until(lambda: checkpoints.exists() and len(list(checkpoints.glob("[!.]*"))) == 2)
    before = find_processes(mark)
    assert len(before) >= 4
    for process_id in before:
        # A trial has a group of its own, but no session.
        if os.getsid(process_id) != process_id == os.getpgid(process_id) != process.pid:
            os.kill(process_id, signal.SIGSTOP)
            break
    process.kill()
    process.wait()
    wait_until(lambda: not find_processes(mark))


LEAVING = """
import multiprocessing, os, subprocess, time
from torch import nn


def leave():
    \"\"\"One process as programs are started, one as a daemon forks.\"\"\"
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if not os.fork():
        os.setsid()
        open(f"forked-{os.getpid()}", "x").close()
        time.sleep(1000)


class Net(nn.Sequential):
    def forward(self, images):
        is_trial = multiprocessing.parent_process()  # not the process that counts
        if is_trial and not os.path.exists("left"):
            open("left", "x").close()
            leave()
        return super().forward(images)


def build(depth, width, resolution, num_classes):
    wide = max(4, round(8 * width))
    layers = [nn.Conv2d(3, wide, 3), *(nn.Conv2d(wide, wide, 3) for _ in range(round(2 * depth)))]
    return Net(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, num_classes))


def build_and_leave(**numbers):
    leave()
    return build(**numbers)
"""


def has_session(process_id: int) -> bool:
    return os.getsid(process_id) == process_id


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_trials_leave_ends_with_the_command(number: int, tmp_path: Path) -> None:
    """However it ends, and though no signal to its group reaches what has a session of its own."""
    (tmp_path / "leaving.py").write_text(LEAVING)
    mark = f"SCALECTL_MARK={uuid4()}"
    environment = {**os.environ, **dict([mark.split("=")])}
    command = [*GRID, "--baseline", "leaving:build@16", "--set", "proxy.epochs=1000", "-q"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    wait_until(lambda: list(tmp_path.glob("forked-*")))
    # These two, the process that counts and the guard.
    wait_until(lambda: sum(map(has_session, find_processes(mark))) == 4)
    process.send_signal(number)
    assert process.wait() == (143 if number == signal.SIGTERM else -number)
    wait_until(lambda: not find_processes(mark))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_factory_leaves_while_it_is_counted_ends_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    mark = f"SCALECTL_MARK={uuid4()}"
    environment = {**os.environ, **dict([mark.split("=")])}
    command = [sys.executable, "-m", "scalectl", "profile", "leaving:build_and_leave@16"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert list(tmp_path.glob("forked-*"))
    assert not find_processes(mark)
