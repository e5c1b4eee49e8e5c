"""What a disk may hold after a power cut, at every moment of every kind of write (docs/promises.md, 2).

A kill cannot show a missing fsync: the kernel still writes. So the calls of a write are recorded,
and every state is made that a file system may leave which keeps what was synced, and of the rest
anything or nothing.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from fault_injection import Calls

from scalectl.store import atomic
from scalectl.store.reader import read_run
from scalectl.store.writer import Store
from scalectl.trial import Record

Call = tuple[Any, ...]
State = dict[Path, bytes]
Names = dict[Path, int]
OLD, NEW = b"old" * 50, b"new" * 100


def record(write: Callable[[], object]) -> list[Call]:
    """The calls that change the disk: their name, the file, and what else they were given."""
    calls: list[Call] = []
    opened: list[Path] = []

    def before(_number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            opened.append(arguments[0])
            if arguments[1] & os.O_CREAT:
                calls.append(("create", arguments[0]))
        elif name == "write":
            calls.append(("write", opened[-1], bytes(arguments[1])))
        elif name == "fsync":
            calls.append(("sync_folder" if opened[-1].is_dir() else "sync", opened[-1]))
        elif name != "close":
            calls.append((name, *arguments))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic, "os", Calls(before))
        write()
    return calls


class Disk:
    """Names and contents, and what of both is not yet synced. Its methods are the calls."""

    def __init__(self, start: State) -> None:
        self.contents = dict(enumerate(start.values()))
        self.loose: set[int] = set()
        self.synced: Names = dict(zip(start, self.contents, strict=True))
        self.pending: list[dict[Path, int | None]] = []
        """Changes of names, each of which happens whole or not at all."""

    def apply(self, changes: Sequence[dict[Path, int | None]]) -> Names:
        """The names that were synced, after some changes."""
        after: dict[Path, int | None] = {**self.synced}
        for change in changes:
            after |= change
        return {path: content for path, content in after.items() if content is not None}

    @property
    def now(self) -> Names:
        return self.apply(self.pending)

    def create(self, path: Path) -> None:
        content = len(self.contents)
        self.contents[content] = b""
        self.loose.add(content)
        self.pending.append({path: content})

    def write(self, path: Path, more: bytes) -> None:
        self.contents[self.now[path]] += more

    def sync(self, path: Path) -> None:
        self.loose.discard(self.now[path])

    def sync_folder(self, folder: Path) -> None:
        here = [change for change in self.pending if folder in {path.parent for path in change}]
        self.synced = self.apply(here)
        self.pending = [change for change in self.pending if change not in here]

    def link(self, path: Path, target: Path) -> None:
        if target not in self.now:
            self.pending.append({target: self.now[path]})

    def replace(self, path: Path, target: Path) -> None:
        self.pending.append({path: None, target: self.now[path]})

    def unlink(self, path: Path) -> None:
        if path in self.now:
            self.pending.append({path: None})


def cut_power(start: State, calls: Sequence[Call]) -> Iterator[State]:
    """Every state that may be found when the power goes after the last of the calls."""
    disk = Disk(start)
    for name, *arguments in calls:
        getattr(disk, name)(*arguments)
    for count in range(len(disk.pending) + 1):
        for kept in combinations(disk.pending, count):
            names = disk.apply(kept)
            options = [
                tear(disk.contents[name]) if name in disk.loose else [disk.contents[name]]
                for name in names.values()
            ]
            for chosen in product(*options):
                yield dict(zip(names, chosen, strict=True))


def tear(content: bytes) -> list[bytes]:
    """What may be there of a content that was not synced."""
    return [content, b"", content[: len(content) // 2], content[:-1] + b"\0"]


def find_losses(start: State, calls: Sequence[Call], path: Path, expected: bytes) -> int:
    """In how many states a file is torn, or was promised and is not there."""
    bad = 0
    for moment in range(len(calls) + 1):
        for state in cut_power(start, calls[:moment]):
            seen = {name: content for name, content in state.items() if name.name[0] != "."}
            bad += any(content not in (OLD, NEW) for content in seen.values())
            bad += path in start and path not in seen
            bad += moment == len(calls) and seen.get(path) != expected
    return bad


WRITES = {
    "replace": (atomic.replace, False, NEW),
    "replace an older one": (atomic.replace, True, NEW),
    "publish": (atomic.publish, False, NEW),
    "publish second": (atomic.publish, True, OLD),
}


@pytest.mark.parametrize("name", WRITES)
def test_no_power_cut_tears_or_loses_a_file(name: str, tmp_path: Path) -> None:
    """It is whole or not there, and when the call has returned it is there."""
    write, old, expected = WRITES[name]
    path = tmp_path / "file"
    start = {path: OLD} if old else {}
    if old:
        path.write_bytes(OLD)
    calls = record(lambda: write(path, NEW))
    assert {call[0] for call in calls} >= {"create", "write", "sync", "sync_folder"}
    states = sum(1 for moment in range(len(calls) + 1) for _ in cut_power(start, calls[:moment]))
    assert states > 15
    assert find_losses(start, calls, path, expected) == 0


@pytest.mark.parametrize("missing", ["sync", "sync_folder"])
def test_a_missing_sync_is_caught(missing: str, tmp_path: Path) -> None:
    """Both of them matter, and this test would tell."""
    path = tmp_path / "file"
    calls = [call for call in record(lambda: atomic.replace(path, NEW)) if call[0] != missing]
    assert find_losses({}, calls, path, NEW) > 0


def test_new_folders_survive(tmp_path: Path) -> None:
    """Each is synced into the one above it before anything is put there."""
    calls = record(lambda: atomic.make_folder(tmp_path / "one" / "two"))
    assert [(name, path) for name, path, *_ in calls] == [
        ("mkdir", tmp_path / "one"),
        ("sync_folder", tmp_path),
        ("mkdir", tmp_path / "one" / "two"),
        ("sync_folder", tmp_path / "one"),
    ]


def test_no_power_cut_loses_a_record_that_is_compacted(
    tmp_path: Path, records: list[Record]
) -> None:
    """The small files go one by one, and what is left always has every record."""
    store, kept = Store(tmp_path / "run"), records[:3]
    for stored in kept:
        store.write(stored)
    start = {path: path.read_bytes() for path in (tmp_path / "run" / "trials").iterdir()}
    calls = record(store.compact)
    assert sum(call[0] == "unlink" for call in calls) == 4
    for moment in range(len(calls) + 1):
        for number, state in enumerate(cut_power(start, calls[:moment])):
            folder = tmp_path / f"{moment} {number}"
            for path, content in state.items():
                place = folder / path.relative_to(tmp_path / "run")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            reading = read_run(folder)
            assert reading.damaged == ()
            assert reading.records == tuple(sorted(kept, key=lambda record: record.trial.id))
