"""What a run holds, every file of it proven when it is read (PROMISES 6)."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scalectl.collector import uncollected
from scalectl.errors import ScalectlError
from scalectl.rows import DamagedError, decode
from scalectl.seals import map_proven, unseal
from scalectl.trial import Record

T = TypeVar("T")

FORMAT = 1
"""Of the whole folder; `store` describes it."""

_SMALL_NAME = re.compile(r"([0-9a-f]{16})(\.[1-9]\d*)?")


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


def read(path: Path) -> Reading:
    """A run folder, or one Parquet file of records. Raises `ScalectlError` when it is neither."""
    if path.is_file():
        return read_file(path, sealed=False)
    if not (path / "FORMAT.json").exists():
        raise ScalectlError(
            f"{path} is not a run of scalectl." if path.exists() else f"There is no {path}.",
            "Give a folder that scalectl grid wrote, or a .parquet file of its records.",
        )
    return survey(path)


@uncollected()
def survey(folder: Path) -> Reading:
    """Everything in a run's folder, proven; nothing where there is no folder.

    Raises `ScalectlError` where a newer scalectl wrote it.
    """
    check_format(folder)
    # What is compacted while this reads is in the compact files, which are read later.
    small = read_present(sorted(list_files(folder / "trials", "*.parquet"), key=_order), read_small)
    compact = read_compact(folder / "compact", read_file)
    others = [path for part in _OTHERS for path in list_files(folder, part)]
    readings = [*small.values(), *compact.values(), *read_present(others, inspect).values()]
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


_OTHERS = (
    *("FORMAT.json", "grid.toml", "selection.json", "latencies.json"),
    *("checkpoints/*", "cache/*"),
)


def list_files(folder: Path, pattern: str = "*") -> list[Path]:
    """What is there by name; files that are still being written have a dot."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _order(path: Path) -> tuple[bool, int, str]:
    """Failures of a trial by their number, and how it ended last."""
    return "." not in path.stem, len(path.stem), path.stem


def list_ended(trials: Path) -> Iterator[Path]:
    """The small files of trials that ended."""
    return (path for path in trials.glob("*.parquet") if re.fullmatch(r"[0-9a-f]{16}", path.stem))


def inspect(path: Path) -> Reading:
    """A file of any kind. Raises `FileNotFoundError`."""
    folder = path.parent.name
    if folder in ("trials", "compact"):
        return read_small(path) if folder == "trials" else read_file(path)
    try:
        map_proven(path)  # rendered images may be many
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:
        return Reading(damaged=(Damaged(path, str(problem)),))
    return Reading()


def read_small(path: Path) -> Reading:
    """One trial, and none that its name does not say. Raises `FileNotFoundError`."""
    reading, name = read_file(path), _SMALL_NAME.fullmatch(path.stem)
    if reading.damaged:
        return Reading(damaged=reading.damaged)
    found = [(one.trial.id, one.state.is_final) for one in reading.records]
    if not name or found != [(name[1], name[2] is None)]:
        return Reading(damaged=(Damaged(path, "it is not the trial that its name says"),))
    return reading


def read_file(path: Path, *, sealed: bool = True) -> Reading:
    """Raises `FileNotFoundError`."""
    try:
        return Reading(decode(path.read_bytes(), sealed=sealed))
    except DamagedError as problem:
        return Reading(problem.records, (Damaged(path, str(problem)),))
    except FileNotFoundError:
        raise
    except OSError as problem:
        return Reading(damaged=(Damaged(path, str(problem.strerror)),))


def read_present(paths: Iterable[Path], read: Callable[[Path], T]) -> dict[Path, T]:
    """What is still there when its turn comes."""
    found: dict[Path, T] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = read(path)
    return found


def read_compact(compact: Path, read: Callable[[Path], T]) -> dict[Path, T]:
    """All compact files, as they were at one moment: another command may merge them meanwhile."""
    while True:
        paths = list_files(compact, "*.parquet")
        found = read_present(paths, read)
        if len(found) == len(paths):
            return found
