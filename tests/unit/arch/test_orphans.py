"""Processes in sessions of their own: those that bear the mark end, and no others."""

import os
import signal
import subprocess
import sys

import pytest

from scalectl.arch import orphans

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def start(**variables: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **variables}
    return subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True)


def test_what_a_process_has_started_ends_and_nothing_else() -> None:
    """Nor what another process with the same mark has, whose number begins alike."""
    ((name, mark),) = orphans.list_variables().items()
    started = [start(**{name: f"{mark}-12"}), start(**{name: f"{mark}-12-7"})]
    others = [start(**{name: value}) for value in (mark, f"{mark}-123", f"{mark}-1", "another-12")]
    others += [start(), start(ANOTHER=f"{mark}-12")]
    try:
        orphans.end(12)
        assert [process.wait(5) for process in started] == [-signal.SIGKILL] * len(started)
        assert [process.poll() for process in others] == [None] * len(others)
    finally:
        for process in (*started, *others):
            process.kill()
            process.wait()


def test_the_mark_is_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    ((name, mark),) = orphans.list_variables().items()
    for before in (None, "that of a program around this one"):
        if before:
            monkeypatch.setenv(name, before)
        with orphans.marking():
            assert os.environ[name] == mark
        assert os.environ.get(name) == before
