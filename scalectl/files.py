"""Files that are whole or not there: written beside, synced to the disk, then named (PROMISES 2)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from scalectl.errors import ScalectlError


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of an older one, if there is one.

    Raises `ScalectlError` where the folder cannot be written: exit code 5 where space is short.
    """
    with _written(path, content) as temporary:
        temporary.replace(path)


def publish(path: Path, content: bytes) -> bool:
    """Put a file where none is: the first to publish wins, and False says that another one had.

    Raises `ScalectlError` as `replace` does.
    """
    with _written(path, content) as temporary:
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
            temporary.rename(path)
    return True


_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    # Not by tempfile, whose files nobody else may read: runs are shared.
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as problem:
        raise _describe(problem, path, len(content)) from None


def _sync_folder(folder: Path) -> None:
    """Without it, a power cut may forget the name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe(problem: OSError, path: Path, size: int) -> ScalectlError:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return ScalectlError(
            f"No space is left to write the {size:,} bytes of {path}.",
            "Free some more than that and run the same command again; nothing stored is lost.",
            exit_code=5,
        )
    return ScalectlError(
        f"{path} cannot be written: {problem.strerror}.", "Choose another folder with -o."
    )
