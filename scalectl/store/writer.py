"""The results of one search, in a folder that any number of commands may read and write at once.

    FORMAT.json                 the version of this layout
    grid.toml, nas.toml         the search: of coefficients, of an architecture
    plan.json                   the trials decided on so far
    trials/ID.parquet           one row: how a trial ended; immutable
    trials/ID.N.parquet         one row: its N-th failure; the trial is tried again
    compact/DIGEST.parquet      many of the first kind, published before the small files go
    checkpoints/ID              where a trial stands after an epoch; goes when the trial is in
    cache/                      rendered images
    locks/ID                    empty: which command trains it
    quarantine/                 damaged files, with the reason
    selection.json, winner.json what the records support
    latencies.json              how long each network takes for an image, where that was measured

What is in it is all there is: no state "running", no journal, nothing to repair. Every file but the
locks carries a checksum of its content, which is compared whenever the file is read.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import count
from pathlib import Path

from scalectl.store import atomic, reader
from scalectl.store.checksum import add_checksum
from scalectl.store.parquet import DamagedError, encode, list_ids
from scalectl.store.reader import DamagedFile, ReadResult
from scalectl.trial import Record

_COMPACT_FROM = 200
"""Small files; each takes more than a millisecond to open."""


class Store:
    """The results of one search, in a folder that is made when it is missing.

    Raises `ScalectlError` where it cannot be written, or was written by a newer scalectl.
    """

    def __init__(self, folder: Path) -> None:
        reader.check_format(folder)
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.cache = folder / "cache"
        self.locks = folder / "locks"
        self._trials = folder / "trials"
        self._compact = folder / "compact"
        self._compacted: dict[str, frozenset[str]] = {}
        for part in (folder, self._trials, self._compact, self.checkpoints, self.cache, self.locks):
            atomic.make_folder(part)
        self._publish_format()

    def read(self) -> ReadResult:
        """Read and verify every file of the run."""
        return reader.read_run(self.folder)

    def write(self, record: Record) -> None:
        """Publish a record. The first to publish how a trial ended wins; nothing is replaced."""
        self._publish(record)
        if sum(1 for _ in reader.list_ended(self._trials)) >= _COMPACT_FROM:
            self.compact()

    def list_ended(self) -> set[str]:
        """List the ids of the trials that ended."""
        small = {path.stem for path in reader.list_ended(self._trials)}
        return small.union(*reader.read_compact_files(self._compact, self._list_compacted).values())

    def list_settled(self, retries: int) -> set[str]:
        """List the ids of trials that ended, and of those that failed more often than `retries`."""
        failures = Counter(path.stem.partition(".")[0] for path in self._trials.glob("*.*.parquet"))
        return self.list_ended() | {name for name, times in failures.items() if times > retries}

    def compact(self) -> None:
        """Put many small files into one, which opens at once.

        A file goes only after one with all of its rows was published, so that any number of
        commands may do this, be killed at it, and read meanwhile.
        """
        sources = reader.read_existing(reader.list_ended(self._trials), reader.read_trial_file)
        rows, known, merged = len(sources), set[str](), list[Path]()
        compact = reader.read_compact_files(self._compact, _list_proven)
        for path, ids in sorted(compact.items(), key=lambda item: len(item[1])):
            # A larger one waits until as many have come together: each row is written seldom.
            if len(ids) <= rows:
                merged.append(path)
                rows += len(ids)
            else:
                known |= ids
        sources |= reader.read_existing(merged, reader.read_file)
        whole = {path: content for path, content in sources.items() if not content.damaged}
        records = {
            record.trial.id: record for content in whole.values() for record in content.records
        }
        target = self._publish_compact([records[name] for name in records.keys() - known])
        if target is None:
            return
        for path in whole.keys() - {target}:
            atomic.remove(path)

    def add(self, records: Iterable[Record]) -> None:
        """Publish many records, such as those of another folder; what is here already stays."""
        here = self.list_ended()
        new = [record for record in records if record.trial.id not in here]
        ended = [record for record in new if record.state.is_final]
        together = bool(ended) and self._publish_compact(ended) is not None
        for record in new:
            if not (together and record.state.is_final):
                self.write(record)

    def quarantine(self, damaged: Sequence[DamagedFile]) -> None:
        """Set damaged files aside, so that what was in them is made again.

        Rows of a compact file that prove undamaged are kept.
        """
        for file in damaged:
            with suppress(FileNotFoundError):  # another command set it aside
                self._set_aside(file.path)
        if damaged:
            self._publish_format()  # in case that it was among them

    def clean_up(self) -> None:
        """Remove what commands that were killed left behind."""
        for folder in (self.folder, *(path for path in self.folder.iterdir() if path.is_dir())):
            atomic.remove_temporaries(folder)
        ended = self.list_ended()
        for path in reader.list_files(self.checkpoints):
            if path.name in ended:
                atomic.remove(path)

    def _publish(self, record: Record) -> None:
        name, content = record.trial.id, encode([record])
        if not record.state.is_final:
            numbered = (self._trials / f"{name}.{number}.parquet" for number in count(1))
            while not atomic.publish(next(numbered), content):
                pass
            return
        atomic.publish(self._trials / f"{name}.parquet", content)
        atomic.remove(self.checkpoints / name)

    def _publish_compact(self, records: Iterable[Record]) -> Path | None:
        """Publish records as one file; None where a damaged file has its name."""
        content = encode(sorted(records, key=lambda record: record.trial.id))
        path = self._compact / f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"
        if not atomic.publish(path, content):
            there = reader.read_existing([path], reader.check_file)
            if any(content.damaged for content in there.values()):
                return None
        return path

    def _set_aside(self, path: Path) -> None:
        content = reader.check_file(path)
        if not content.damaged:
            return  # another command has made it again
        for record in content.records:
            self._publish(record)  # nothing is compacted while the damaged file is there
        aside = self.folder / "quarantine"
        atomic.make_folder(aside)
        numbered = (aside / f"{path.name}.{number}" for number in count(1))
        place = next(place for place in numbered if not place.exists())
        reason = f"{content.damaged[0].reason}\n"
        atomic.replace(place.with_name(f"{place.name}.reason.txt"), reason.encode())
        atomic.move(path, place)

    def _list_compacted(self, path: Path) -> frozenset[str]:
        # A name stands for one content: the file is read once.
        if path.name not in self._compacted:
            try:
                ids = list_ids(path.read_bytes())
            except DamagedError as problem:
                ids = frozenset(record.trial.id for record in problem.records)
            self._compacted[path.name] = ids
        return self._compacted[path.name]

    def _publish_format(self) -> None:
        content = {"format": reader.FORMAT, "created_by": f"scalectl {version('scalectl')}"}
        path = self.folder / "FORMAT.json"
        atomic.publish(path, add_checksum(f"{json.dumps(content)}\n".encode(), path.suffix))


def _list_proven(path: Path) -> frozenset[str]:
    """List the ids in a file; none where it is damaged, since it is about to be set aside."""
    try:
        return list_ids(path.read_bytes())
    except DamagedError:
        return frozenset()
