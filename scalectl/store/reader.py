"""Read a run: every file is verified when it is read, and damaged ones are named."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scalectl.errors import ScalectlError
from scalectl.store.checksum import map_verified, verify_checksum
from scalectl.store.parquet import DamagedError, decode
from scalectl.trial import Record

T = TypeVar("T")

FORMAT = 1
"""Version of the folder's layout, which `scalectl.store.writer` describes."""

_SMALL_NAME = re.compile(r"([0-9a-f]{16})(\.[1-9]\d*)?")


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file whose content is not what was written, and how that shows."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The records of a run or a file, and its damaged files."""

    records: tuple[Record, ...] = ()
    """Sorted by id, one for each trial: how it ended, or else its last failure."""
    damaged: tuple[DamagedFile, ...] = ()


def read(path: Path) -> ReadResult:
    """Read a run's folder, or a Parquet file of records. Raises `ScalectlError` for anything else."""
    if path.is_file():
        return read_file(path, has_checksum=False)
    if not (path / "FORMAT.json").exists():
        raise ScalectlError(
            f"{path} is not a run of scalectl." if path.exists() else f"There is no {path}.",
            "Give a folder that scalectl grid wrote, or a .parquet file of its records.",
        )
    return read_run(path)


def read_run(folder: Path) -> ReadResult:
    """Read and verify everything in a run's folder; the result is empty where there is no folder.

    Raises `ScalectlError` where a newer scalectl wrote it.
    """
    check_format(folder)
    # What is compacted while this reads is in the compact files, which are read later.
    small = read_existing(
        sorted(list_files(folder / "trials", "*.parquet"), key=_order), read_trial_file
    )
    compact = read_compact_files(folder / "compact", read_file)
    others = [path for part in _OTHERS for path in list_files(folder, part)]
    readings = [*small.values(), *compact.values(), *read_existing(others, check_file).values()]
    # A failure gives way to a later one, and to how the trial ended.
    records = {record.trial.id: record for reading in readings for record in reading.records}
    return ReadResult(
        tuple(records[name] for name in sorted(records)),
        tuple(damaged for reading in readings for damaged in reading.damaged),
    )


def check_format(folder: Path) -> None:
    """Raise `ScalectlError` where a newer scalectl wrote the folder; damage is left to `read_run`."""
    path = folder / "FORMAT.json"
    try:
        content = path.read_bytes()
        written = json.loads(content)
        if "sha256" in written:
            verify_checksum(content, path.suffix)
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
    *("FORMAT.json", "grid.toml", "nas.toml", "plan.json"),
    *("selection.json", "winner.json", "latencies.json"),
    *("checkpoints/*", "cache/*"),
)


def list_files(folder: Path, pattern: str = "*") -> list[Path]:
    """List the files of a folder by name, without those that are still being written."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _order(path: Path) -> tuple[bool, int, str]:
    """Return a key that sorts the failures of trials by number, and files of how they ended last."""
    return "." not in path.stem, len(path.stem), path.stem


def list_ended(trials: Path) -> Iterator[Path]:
    """Yield the files, of one row each, of the trials that ended."""
    return (path for path in trials.glob("*.parquet") if re.fullmatch(r"[0-9a-f]{16}", path.stem))


def check_file(path: Path) -> ReadResult:
    """Verify a file of any kind in a run. Raises `FileNotFoundError`."""
    folder = path.parent.name
    if folder in ("trials", "compact"):
        return read_trial_file(path) if folder == "trials" else read_file(path)
    try:
        map_verified(path)  # rendered images may be many
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as problem:
        return ReadResult(damaged=(DamagedFile(path, str(problem)),))
    return ReadResult()


def read_trial_file(path: Path) -> ReadResult:
    """Read the file of one trial, and hold it to its name. Raises `FileNotFoundError`."""
    reading, name = read_file(path), _SMALL_NAME.fullmatch(path.stem)
    if reading.damaged:
        return ReadResult(damaged=reading.damaged)
    content = [(record.trial.id, record.state.is_final) for record in reading.records]
    if not name or content != [(name[1], name[2] is None)]:
        return ReadResult(damaged=(DamagedFile(path, "it is not the trial that its name says"),))
    return reading


def read_file(path: Path, *, has_checksum: bool = True) -> ReadResult:
    """Read a Parquet file of records; damage is part of the result. Raises `FileNotFoundError`."""
    try:
        return ReadResult(decode(path.read_bytes(), has_checksum=has_checksum))
    except DamagedError as problem:
        return ReadResult(problem.records, (DamagedFile(path, str(problem)),))
    except FileNotFoundError:
        raise
    except OSError as problem:
        return ReadResult(damaged=(DamagedFile(path, str(problem.strerror)),))


def read_existing(paths: Iterable[Path], read: Callable[[Path], T]) -> dict[Path, T]:
    """Read each file that still exists, by path: another command may remove some meanwhile."""
    contents: dict[Path, T] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            contents[path] = read(path)
    return contents


def read_compact_files(compact: Path, read: Callable[[Path], T]) -> dict[Path, T]:
    """Read all compact files as they were at one moment: another command may merge them meanwhile."""
    while True:
        paths = list_files(compact, "*.parquet")
        contents = read_existing(paths, read)
        if len(contents) == len(paths):
            return contents
