import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalectl.errors import OutOfSpaceError, ScalectlError
from scalectl.store import atomic


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """And nothing else is left."""
    path = tmp_path / "file"
    atomic.replace(path, b"one")
    atomic.replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_first_to_publish_wins(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert atomic.publish(path, b"one")
    assert not atomic.publish(path, b"two")
    assert path.read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_systems_without_links_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as exFAT, which says EPERM."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    assert atomic.publish(path, b"one")
    assert not atomic.publish(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScalectlError, match="cannot be written") as caught:
        atomic.replace(tmp_path / "missing" / "file", b"one")
    assert caught.value.exit_code == 2


def test_a_full_disk_is_told_with_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing but what was there."""
    path = tmp_path / "file"
    atomic.replace(path, b"kept")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("write", "fsync", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refuse)
            for write in (atomic.replace, atomic.publish):
                with pytest.raises(OutOfSpaceError, match="50,000 bytes") as caught:
                    write(path, bytes(50_000))
                assert caught.value.exit_code == 5
        assert path.read_bytes() == b"kept"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_chunks_are_written_one_after_the_other(tmp_path: Path) -> None:
    """What fails half way leaves the older file."""
    path = tmp_path / "file"
    atomic.replace(path, b"old")

    def fail() -> Iterator[bytes]:
        yield b"new"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        atomic.stream(path, 6, fail)
    assert path.read_bytes() == b"old"
    atomic.stream(path, 6, lambda: iter((b"new", b"", b"er")))
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_swept_away_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three other commands start while this one writes, and tidy up."""
    real, swept = os.link, list[Path]()

    def sweep_first(source: Path, target: Path) -> None:
        if len(swept) < 3:
            swept.append(source)
            atomic.remove_temporaries(tmp_path)
        real(source, target)

    monkeypatch.setattr(os, "link", sweep_first)
    assert atomic.publish(tmp_path / "file", b"one")
    assert len(set(swept)) == 3
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"one")]


def test_folders_are_made_and_files_moved(tmp_path: Path) -> None:
    """Where they can be."""
    atomic.make_folder(tmp_path / "one" / "two")
    atomic.make_folder(tmp_path / "one" / "two")
    atomic.replace(tmp_path / "one" / "file", b"one")
    assert atomic.move(tmp_path / "one" / "file", tmp_path / "one" / "two" / "file")
    assert not atomic.move(tmp_path / "one" / "file", tmp_path / "one" / "two" / "file")
    assert (tmp_path / "one" / "two" / "file").read_bytes() == b"one"
    with pytest.raises(ScalectlError, match="cannot be written: Not a directory"):
        atomic.make_folder(tmp_path / "one" / "two" / "file")
