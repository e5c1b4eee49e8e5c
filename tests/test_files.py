import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scalectl import files
from scalectl.errors import ScalectlError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """And nothing else is left."""
    path = tmp_path / "file"
    files.replace(path, b"one")
    files.replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_the_first_to_publish_wins(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert files.publish(path, b"one")
    assert not files.publish(path, b"two")
    assert path.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_file_systems_without_links_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as exFAT, which says EPERM."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    assert files.publish(path, b"one")
    assert not files.publish(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScalectlError, match="cannot be written") as caught:
        files.replace(tmp_path / "missing" / "file", b"one")
    assert caught.value.exit_code == 2


_ON_A_FULL_DISK = """
import sys
from pathlib import Path
from scalectl import files
from scalectl.errors import ScalectlError

folder = Path(sys.argv[1])
files.replace(folder / "kept", b"kept")
filler = folder / "filler"
try:
    filler.write_bytes(bytes(200_000))
except OSError:
    pass  # as much as fits
for write in (files.replace, files.publish):
    try:
        write(folder / "new", bytes(50_000))
    except ScalectlError as problem:
        assert problem.exit_code == 5, problem
        assert "50,000 bytes" in str(problem), problem
    else:
        raise AssertionError("it was not full")
assert sorted(path.name for path in folder.iterdir()) == ["filler", "kept"]
assert (folder / "kept").read_bytes() == b"kept"
filler.unlink()
assert files.publish(folder / "new", bytes(50_000))
print("went on")
"""


def _can_mount() -> bool:
    unshare = shutil.which("unshare")
    if not unshare:
        return False
    command = [unshare, "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs a file system of its own, to fill it")
def test_a_full_disk_is_told_with_the_bytes_and_loses_nothing(tmp_path: Path) -> None:
    """On a real one, of 100 kB."""
    line = 'mount -t tmpfs -o size=100k tmpfs "$0" && exec "$1" -c "$2" "$0"'
    command = ["unshare", "-rm", "sh", "-c", line, str(tmp_path), sys.executable, _ON_A_FULL_DISK]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "went on\n", result.stderr
