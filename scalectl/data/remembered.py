"""Remember the hashes and shapes of images by path, size and time, so that a folder opens at once."""

import hashlib
import os
import time
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

from scalectl.errors import ScalectlError
from scalectl.parsing import expand_home
from scalectl.store import atomic
from scalectl.store.json_file import read_json, write_json

_SETTLED = 2.0
"""Seconds after which a further change of a file certainly shows in its time."""


class Remembered:
    """What is known of the images of a folder from earlier commands, in the user's cache folder.

    A file counts as the same while its path, size, and both of its times are. The cache may be lost or
    unwritable at any time: then the images are read again.
    """

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
        cache = Path(os.environ.get("XDG_CACHE_HOME") or expand_home("~/.cache"))
        self._path = cache / "scalectl" / f"images-{name}.json"
        self._known: dict[str, list[Any]] = read_json(self._path, itemgetter("images")) or {}
        self._current: dict[str, tuple[list[int], str]] = {}
        self.shapes: dict[str, tuple[int, int]] = {}
        """File -> shortest side in pixels and channels, of the files that are unchanged."""
        self._opened = time.time()

    def find_digest(self, name: str, status: os.stat_result) -> str:
        """Return the hash of an unchanged file, and recall its shape; "" where it is not known."""
        identity, digest, *shape = self._known.get(name, ([], ""))
        if identity != _identify(status):
            return ""
        self._current[name] = _identify(status), str(digest)
        if len(shape) == 2:
            self.shapes[name] = shape[0], shape[1]
        return str(digest)

    def add(self, name: str, status: os.stat_result, digest: str) -> None:
        """Remember the hash of a file that was read just now, unless it is too new to tell."""
        if max(status.st_mtime, status.st_ctime) + _SETTLED < self._opened:
            self._current[name] = _identify(status), digest

    def write(self) -> None:
        """Keep what is known for the next command."""
        content = {
            name: [*entry, *self.shapes.get(name, ())] for name, entry in self._current.items()
        }
        if content == self._known:
            return
        with suppress(ScalectlError):  # it is only faster with a cache
            atomic.make_folder(self._path.parent)
            write_json(self._path, {"images": content}, indent=None)


def _identify(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
