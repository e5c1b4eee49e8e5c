"""The results of one search, in a folder that any number of commands may read and write at once.

    FORMAT.json                 what may read the rest
    grid.toml                   the search
    trials/ID.parquet           one row: how a trial ended; immutable
    trials/ID.N.parquet         one row: its N-th failure; the trial is tried again
    compact/DIGEST.parquet      many of the first kind, published before the small files go
    checkpoints/ID              where a trial stands after an epoch; goes when the trial is in
    cache/                      rendered images
    locks/ID                    empty: which command trains it (`leases`)
    quarantine/                 damaged files, with the reason
    selection.json              what the records support (`verdict`)

What is in it is all there is: no state "running", no journal, nothing to repair (PROMISES, the
store). Every file but the locks proves itself when it is read (`seals`).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from scalectl import __version__, files
from scalectl.errors import ScalectlError
from scalectl.rows import DamagedError, decode, encode, list_ids
from scalectl.seals import seal, unseal
from scalectl.trial import Record

T = TypeVar("T")

FORMAT = 1

_SMALL_NAME = re.compile(r"([0-9a-f]{16})(\.[1-9]\d*)?")
_COMPACT_FROM = 200
"""Small files; each takes more than a millisecond to open."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that was not believed, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run or a file holds."""

    records: tuple[Record, ...] = ()
    """One for each trial, by its id: how it ended, or else its last failure."""
    damaged: tuple[Damaged, ...] = ()


class Store:
    """The results of one search, in a folder that is made when it is missing.

    Raises `ScalectlError` where it cannot be written, or was written by a newer scalectl.
    """

    def __init__(self, folder: Path) -> None:
        check_format(folder)
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.cache = folder / "cache"
        self.locks = folder / "locks"
        self._trials = folder / "trials"
        self._compact = folder / "compact"
        self._compacted: dict[str, frozenset[str]] = {}
        for part in (folder, self._trials, self._compact, self.checkpoints, self.cache, self.locks):
            files.make_folder(part)
        self._publish_format()

    def read(self) -> Reading:
        """All that proves undamaged, and what does not."""
        return survey(self.folder)

    def write(self, record: Record) -> None:
        """Publish a record. The first to publish how a trial ended wins; nothing is replaced."""
        name, content = record.trial.id, encode([record])
        if not record.state.is_final:
            numbered = (self._trials / f"{name}.{number}.parquet" for number in count(1))
            while not files.publish(next(numbered), content):
                pass
            return
        files.publish(self._trials / f"{name}.parquet", content)
        files.remove(self.checkpoints / name)
        if sum(1 for _ in _list_ended(self._trials)) >= _COMPACT_FROM:
            self.compact()

    def list_ended(self) -> set[str]:
        """The ids of the trials that ended."""
        small = {path.stem for path in _list_ended(self._trials)}
        return small.union(*_stable(self._compact, self._list_compacted).values())

    def list_over(self, retries: int) -> set[str]:
        """The ids of the trials that ended, and of those that failed more often than `retries`."""
        failures = Counter(path.stem.partition(".")[0] for path in self._trials.glob("*.*.parquet"))
        return self.list_ended() | {name for name, times in failures.items() if times > retries}

    def compact(self) -> None:
        """Put many small files into one, which opens at once.

        A file goes only after one with all of its rows was published, so that any number of
        commands may do this, be killed at it, and read meanwhile.
        """
        sources = _read_present(_list_ended(self._trials), _read_small)
        rows = len(sources)
        merged = _stable(self._compact, _read_file)
        for path, reading in sorted(merged.items(), key=lambda item: len(item[1].records)):
            # A larger one waits until as many have come together: each row is written seldom.
            if len(reading.records) <= rows:
                sources[path] = reading
                rows += len(reading.records)
        whole = {path: reading for path, reading in sources.items() if not reading.damaged}
        records = {one.trial.id: one for reading in whole.values() for one in reading.records}
        content = encode([records[name] for name in sorted(records)])
        target = self._compact / f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        files.publish(target, content)
        for path in whole.keys() - {target}:
            files.remove(path)

    def quarantine(self, damaged: Sequence[Damaged]) -> None:
        """Set damaged files aside, so that what was in them is made again.

        Rows of a compact file that prove undamaged are kept.
        """
        for one in damaged:
            with suppress(FileNotFoundError):  # another command set it aside
                self._set_aside(one.path)
        if damaged:
            self._publish_format()  # in case that it was among them

    def tidy(self) -> None:
        """Remove what commands that were killed left behind."""
        for folder in (self.folder, *(path for path in self.folder.iterdir() if path.is_dir())):
            files.sweep(folder)
        ended = self.list_ended()
        for path in _list(self.checkpoints):
            if path.name in ended:
                files.remove(path)

    def _set_aside(self, path: Path) -> None:
        found = _check(path)
        if not found.damaged:
            return  # another command has made it again
        for record in found.records:
            self.write(record)
        aside = self.folder / "quarantine"
        files.make_folder(aside)
        numbered = (aside / f"{path.name}.{number}" for number in count(1))
        place = next(place for place in numbered if not place.exists())
        reason = f"{found.damaged[0].reason}\n"
        files.replace(place.with_name(f"{place.name}.reason.txt"), reason.encode())
        files.move(path, place)

    def _list_compacted(self, path: Path) -> frozenset[str]:
        # A name stands for one content: the file is read once.
        if path.name not in self._compacted:
            self._compacted[path.name] = list_ids(path.read_bytes())
        return self._compacted[path.name]

    def _publish_format(self) -> None:
        content = {"format": FORMAT, "created_by": f"scalectl {__version__}"}
        path = self.folder / "FORMAT.json"
        files.publish(path, seal(f"{json.dumps(content)}\n".encode(), path.suffix))


def read(path: Path) -> Reading:
    """A run folder, or one Parquet file of records. Raises `ScalectlError` when it is neither."""
    if path.is_file():
        return _read_file(path, sealed=False)
    if not (path / "FORMAT.json").exists():
        raise ScalectlError(
            f"{path} is not a run of scalectl." if path.exists() else f"There is no {path}.",
            "Give a folder that scalectl grid wrote, or a .parquet file of its records.",
        )
    return survey(path)


def survey(folder: Path) -> Reading:
    """Everything in a run's folder, proven; nothing where there is no folder.

    Raises `ScalectlError` where a newer scalectl wrote it.
    """
    check_format(folder)
    # What is compacted while this reads is in the compact files, which are read later.
    small = _read_present(sorted(_list(folder / "trials", "*.parquet"), key=_order), _read_small)
    compact = _stable(folder / "compact", _read_file)
    others = [path for part in _OTHERS for path in _list(folder, part)]
    readings = [*small.values(), *compact.values(), *_read_present(others, _check).values()]
    # A failure gives way to a later one, and to how the trial ended.
    records = {one.trial.id: one for reading in readings for one in reading.records}
    return Reading(
        tuple(records[name] for name in sorted(records)),
        tuple(damaged for reading in readings for damaged in reading.damaged),
    )


def check_format(folder: Path) -> None:
    """Raises `ScalectlError` where a newer scalectl wrote the folder. Damage is found by `survey`."""
    path = folder / "FORMAT.json"
    try:
        content = path.read_bytes()
        written = json.loads(content)
        if "sha256" in written:
            unseal(content, path.suffix)
        newer = written["format"] > FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return
    if newer:
        raise ScalectlError(
            f"{folder} was written by a newer scalectl (format {written['format']}, this one reads "
            f"{FORMAT}).",
            "Upgrade scalectl: python -m pip install -U scalectl.",
        )


def write_file(records: Iterable[Record], path: Path) -> None:
    """Many records in one file, to be shared or committed."""
    files.replace(path, encode(sorted(records, key=lambda record: record.trial.id)))


_OTHERS = ("FORMAT.json", "grid.toml", "selection.json", "checkpoints/*", "cache/*")


def _list(folder: Path, pattern: str = "*") -> list[Path]:
    """What is there by name; files that are still being written have a dot."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _order(path: Path) -> tuple[bool, int, str]:
    """Failures of a trial by their number, and how it ended last."""
    return "." not in path.stem, len(path.stem), path.stem


def _list_ended(trials: Path) -> Iterator[Path]:
    """The small files of trials that ended."""
    return (path for path in trials.glob("*.parquet") if re.fullmatch(r"[0-9a-f]{16}", path.stem))


def _check(path: Path) -> Reading:
    """A file of any kind. Raises `FileNotFoundError`."""
    folder = path.parent.name
    if folder in ("trials", "compact"):
        return _read_small(path) if folder == "trials" else _read_file(path)
    try:
        unseal(path.read_bytes(), path.suffix)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:
        return Reading(damaged=(Damaged(path, str(problem)),))
    return Reading()


def _read_small(path: Path) -> Reading:
    """One trial, and none that its name does not say. Raises `FileNotFoundError`."""
    reading, name = _read_file(path), _SMALL_NAME.fullmatch(path.stem)
    if reading.damaged:
        return Reading(damaged=reading.damaged)
    found = [(one.trial.id, one.state.is_final) for one in reading.records]
    if not name or found != [(name[1], name[2] is None)]:
        return Reading(damaged=(Damaged(path, "it is not the trial that its name says"),))
    return reading


def _read_file(path: Path, *, sealed: bool = True) -> Reading:
    """Raises `FileNotFoundError`."""
    try:
        return Reading(decode(path.read_bytes(), sealed=sealed))
    except DamagedError as problem:
        return Reading(problem.records, (Damaged(path, str(problem)),))
    except FileNotFoundError:
        raise
    except OSError as problem:
        return Reading(damaged=(Damaged(path, str(problem.strerror)),))


def _read_present(paths: Iterable[Path], read: Callable[[Path], T]) -> dict[Path, T]:
    """What is still there when its turn comes."""
    found: dict[Path, T] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = read(path)
    return found


def _stable(compact: Path, read: Callable[[Path], T]) -> dict[Path, T]:
    """All compact files, as they were at one moment: another command may merge them meanwhile."""
    while True:
        paths = _list(compact, "*.parquet")
        found = _read_present(paths, read)
        if len(found) == len(paths):
            return found
