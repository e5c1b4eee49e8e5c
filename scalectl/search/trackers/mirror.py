"""Copy the trials of a search into a tracker while it runs, and never disturb the search by it."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scalectl.errors import ScalectlError
from scalectl.search.architectures.plan import ArchitecturePlan
from scalectl.search.plan import Plan
from scalectl.search.trackers import find_tracker
from scalectl.store.locks import Locks
from scalectl.store.writer import Store
from scalectl.trial import Record


def name_search(plan: Plan | ArchitecturePlan, run: Path) -> str:
    """Name a search by the run's folder and by a hash of what is searched.

    So searches in folders of one name are kept apart, and one to which seeds are added stays the same.
    """
    digest = hashlib.sha256(json.dumps(plan.searched, sort_keys=True).encode()).hexdigest()
    return f"{run.resolve().name}-{digest[:8]}"


class Mirror:
    """The trials of a run in a tracker: each once, whatever was killed and however many commands add.

    `kind` is one of `TRACKERS`, `where` as it takes it. Raises `ScalectlError` where it cannot be used
    at first; if it fails later, `warn` is called once, and the search goes on.
    """

    def __init__(
        self, kind: str, where: str, store: Store, name: str, warn: Callable[[str], None]
    ) -> None:
        module = find_tracker(kind)
        self._title = module.TITLE
        self._warn = warn
        self._locks = Locks(store.locks, _PATIENCE)
        self._waiting = list(store.read().records)
        self._broken = False
        try:
            with self._turn(_PATIENCE):  # two that make a database at once would fail
                self._tracker = module.open_tracker(where, store.folder, name)
                self._add_waiting()
        except Exception as problem:  # of any library
            title = f"{self._title[0].upper()}{self._title[1:]}"
            raise ScalectlError(
                f"{title} cannot be used: {_explain(problem)}.", module.PLACES
            ) from None

    def add(self, records: Iterable[Record] = (), *, patience: float = 0.0) -> None:
        """Add records that the tracker lacks, and those that could not be added before.

        Where another command adds now, and for `patience` seconds more, that is left for later.
        """
        self._waiting += records
        if self._broken:
            return
        try:
            with self._turn(patience) as granted:
                if granted:
                    self._add_waiting()
        except Exception as problem:  # of any library
            self._broken = True
            self._warn(
                f"Warning: {self._title} failed: {_explain(problem)}. The search goes on "
                "without it; a later command adds what it lacks."
            )

    @contextmanager
    def _turn(self, patience: float) -> Iterator[bool]:
        """Keep other commands that share the run from adding; False where one of them does now."""
        until = time.monotonic() + patience
        while not (granted := self._locks.acquire(_LOCK)) and time.monotonic() < until:
            time.sleep(0.1)
        try:
            yield granted
        finally:
            self._locks.release_all()

    def _add_waiting(self) -> None:
        for record in self._waiting:
            self._locks.touch()
            self._tracker.log(record)
        self._waiting.clear()


_LOCK = "mirror"
_PATIENCE = 30.0
"""Seconds that another command may take to add a trial."""


def _explain(problem: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".")
