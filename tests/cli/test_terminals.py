"""Whatever a terminal, a pipe or a disk does: what was asked for, or a sentence; never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scalectl.cli import main


def invoke(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def run(redirection: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """The list of baselines, in a shell that says where it goes."""
    command = f"{sys.executable} -m scalectl baselines {redirection}"
    return subprocess.run(
        command, shell=True, capture_output=True, env={**os.environ, **environment}, check=False
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", "utf-16", "shift_jis"])
def test_every_encoding_works(encoding: str) -> None:
    """What an encoding lacks is written in ASCII."""
    result = run("", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert result.returncode == 0, result.stderr
    assert b"mobilenetv3" in result.stdout.replace(b"\0", b"")


def test_a_pipe_that_was_closed_ends_it_quietly() -> None:
    result = run("| true; exit ${PIPESTATUS[0]}")
    assert b"Traceback" not in result.stderr
    assert b"Exception ignored" not in result.stderr


def test_a_full_disk_behind_stdout_is_said() -> None:
    result = run("> /dev/full")
    assert result.returncode == 5
    assert result.stderr.splitlines() == [
        b"Error: There is no space left to write to. Free some, and run it again."
    ]


def test_closed_streams_are_no_mistake() -> None:
    assert run(">&-").returncode == 0
    assert run("--nothing 2>&-").returncode == 2


def test_errors_are_one_document_with_json() -> None:
    """On stderr; whichever way JSON was asked for."""
    for line in ("report nowhere --json", "report nowhere --format json"):
        result = invoke(line)
        assert result.stdout == ""
        error = json.loads(result.stderr)["error"]
        assert error["exit_code"] == result.exit_code == 2
        assert error["kind"] == "usage"
        assert "nowhere" in error["message"]
    assert json.loads(invoke("scale --phi x --json").stderr)["error"]["hint"]


def test_the_last_resort_says_what_to_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the one place that catches what nobody foresaw."""

    class Mute(Exception):  # noqa: N818 - an exception of the worst kind
        def __str__(self) -> str:
            raise ValueError

    def fail(*_: object) -> None:
        raise Mute

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scalectl.arch.loading.find_baseline", fail)
    result = invoke("baselines b0")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: This is a mistake in scalectl, not yours: Mute: Mute (")
    assert "Please report this line" in result.stderr
    assert (
        json.loads(invoke("baselines b0 --json").stderr)["error"]["kind"] == "mistake_in_scalectl"
    )


def test_windows_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    result = invoke("scale --phi 1")
    assert result.exit_code == 2
    assert "WSL" in result.stderr


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wherever a path is taken and no shell has expanded it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    scale = "scale --coefficients paper --phi 1 --to toml --no-verify --output=~/configs"
    assert invoke(scale).exit_code == 0
    assert (tmp_path / "configs" / "efficientnet_b0_phi1.toml").exists()
    again = invoke(f"{scale} --baseline=~/configs/efficientnet_b0_phi1.toml")
    assert again.exit_code == 0, again.stderr
    for line in ("report ~/nowhere", "scale --phi 1 --from ~/nowhere", "verify ~/no.toml"):
        assert str(tmp_path) in invoke(line).stderr
    assert "~nobody-of-this-name" in invoke("report ~nobody-of-this-name/x").stderr
