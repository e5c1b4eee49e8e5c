"""Write files that are whole or not there: written beside, synced to the disk, then named.

Every file that scalectl keeps is written here, so that breaking these few calls, one after another,
breaks every write in every way (`tests/fault_injection.py`).
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from scalectl.errors import OutOfSpaceError, ScalectlError

T = TypeVar("T")


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of an older one, if there is one.

    Raises `ScalectlError` where the folder cannot be written, `OutOfSpaceError` where space is short.
    """
    _write(path, len(content), lambda: [content], os.replace)


def publish(path: Path, content: bytes) -> bool:
    """Put a file where there is none; False where there was one: the first to publish wins.

    Raises as `replace` does.
    """
    return _write(path, len(content), lambda: [content], _link)


def stream(path: Path, size: int, chunks: Callable[[], Iterable[bytes]]) -> None:
    """Put a file of `size` bytes in the place of an older one, without ever holding all of it.

    `chunks` gives its content anew each time that it is called. Raises as `replace` does.
    """
    _write(path, size, chunks, os.replace)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing. Raises as `replace` does."""
    with explain_errors(path):
        for missing in reversed([part for part in (path, *path.parents) if not part.exists()]):
            with suppress(FileExistsError):  # another command did
                os.mkdir(missing)
            _sync(missing.parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def move(path: Path, target: Path) -> bool:
    """Rename a file within a run; False where it is gone. Raises as `replace` does."""
    with explain_errors(target):
        try:
            os.rename(path, target)
        except FileNotFoundError:
            return False
        _sync(target.parent)
    return True


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    with explain_errors(path), suppress(FileNotFoundError):
        os.unlink(path)


def remove_temporaries(folder: Path) -> None:
    """Remove what writers that were killed have left; a living writer writes its file again."""
    for path in folder.glob(".*.tmp"):
        remove(path)


@contextmanager
def explain_errors(path: Path, size: int = 4096) -> Iterator[None]:
    """Turn problems of the file system into `ScalectlError` while `size` bytes are written to `path`.

    A folder or an empty file takes a block.
    """
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpaceError(
                f"No space is left to write the {size:,} bytes of {path}.",
                "Free some more than that and run the same command again; nothing stored is lost.",
            ) from None
        raise ScalectlError(
            f"{path} cannot be written: {problem.strerror}.", "Choose another place."
        ) from None


def _write(
    path: Path, size: int, chunks: Callable[[], Iterable[bytes]], name: Callable[[Path, Path], T]
) -> T:
    with explain_errors(path, size):
        while True:
            try:
                return _write_once(path, chunks(), name)
            except FileNotFoundError:
                if not path.parent.is_dir():
                    raise
                # Another command swept, as each does once, when it starts.


def _write_once(path: Path, chunks: Iterable[bytes], name: Callable[[Path, Path], T]) -> T:
    # Not by tempfile, whose files nobody else may read: runs are shared.
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        _create(temporary, chunks)
        result = name(temporary, path)
    finally:
        remove(temporary)
    _sync(path.parent)  # without it, a power cut may forget the name
    return result


def _create(path: Path, chunks: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as problem:
        if problem.errno not in _NO_LINKS:
            raise
        # Such file systems have no atomic way; a trial published twice is the same trial.
        if path.exists():
            return False
        os.rename(temporary, path)
    return True


_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
