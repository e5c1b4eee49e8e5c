"""A real file system that is full in the middle of a search (docs/promises.md, 10)."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_server import search_in, table
from factories import RECORDS

FULL = "mount -t tmpfs -o size={size} tmpfs disk && cp net.toml disk && cd disk && {command}"
LARGER = "mount -o remount,size=64m disk && cd disk && {command} && cp -r run .."


def can_mount() -> bool:
    """In a namespace of its own, as any user may on most systems."""
    unshare = shutil.which("unshare")
    command = [unshare or "false", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_apart(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Where it may mount what it likes."""
    command = ["unshare", "-rm", "sh", "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not can_mount(), reason="needs a file system of its own, to fill it")
@pytest.mark.parametrize(
    ("size", "executor"),
    [("12k", "inline"), ("160k", "inline"), ("240k", "processes")],
)
def test_a_full_disk_ends_the_search_and_space_continues_it(
    size: str, executor: str, undisturbed: str, tmp_path: Path
) -> None:
    """Exit code 5 with the bytes needed, nothing stored is lost, and the table is the same."""
    arguments = [*search_in(tmp_path), "--executor", executor]
    command = shlex.join([sys.executable, "-m", "scalectl", *arguments])
    first = FULL.format(size=size, command=command)
    script = f"mkdir disk; ({first}); echo first $? >&2; {LARGER.format(command=command)}"
    result = run_apart(script, tmp_path)
    assert "first 5" in result.stderr, result.stderr
    assert "No space is left to write the" in result.stderr
    assert "nothing stored is lost" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == 0, result.stderr
    assert table(tmp_path / "run") == undisturbed


@pytest.mark.skipif(not can_mount(), reason="needs a file system of its own, to fill it")
@pytest.mark.parametrize("option", ["--html disk/page.html", "--figures disk"])
def test_a_full_disk_refuses_a_report(option: str, tmp_path: Path) -> None:
    """Exit code 5, and no half of a file is left."""
    command = f"{sys.executable} -m scalectl report {RECORDS} {option}"
    script = (
        f"mkdir disk; mount -t tmpfs -o size=16k tmpfs disk; {command}; echo code $? >&2; "
        "find disk -name '.*.tmp' >&2; find disk -name 'page*' >&2"
    )
    result = run_apart(script, tmp_path)
    assert result.stderr.splitlines()[-1] == "code 5", result.stderr
    assert "No space is left to write the" in result.stderr
