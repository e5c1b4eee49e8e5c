"""Runs of one search, united: those of shards, or of machines that share no disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scalectl import contents, files
from scalectl.contents import Damaged
from scalectl.documents import dump_grid
from scalectl.errors import ScalectlError
from scalectl.grid import Grid
from scalectl.seals import seal
from scalectl.search import compare_grids, compare_trials, read_grid
from scalectl.store import Store
from scalectl.trial import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A trial that ended in two ways: on other machines or with other versions, bits may differ."""

    kept: Record
    kept_in: Path
    other: Record
    other_in: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What came together."""

    records: int
    """One for each trial."""
    repeated: int
    """Those that more than one run had."""
    conflicts: tuple[Conflict, ...]
    damaged: tuple[Damaged, ...]
    """Files that were left out."""


def merge(runs: Sequence[Path], target: Path) -> Merged:
    """Put the records of the runs into the target, which may be one of them, or have some already.

    Of two records of one trial the first one stays, of the target, then in the order given; how a
    trial ended goes before its failures. Raises `ScalectlError` for what is no run, and for runs of
    different searches, before anything is written.
    """
    is_there = (target / "FORMAT.json").exists()
    sources = list(dict.fromkeys([*([target] if is_there else []), *runs]))
    for run in sources:
        if run.is_file():
            raise ScalectlError(f"{run} is a file.", "Give folders that scalectl grid wrote.")
    readings = {run: contents.read(run) for run in sources}
    grid = _find_grid({run: read_grid(run, reading.damaged) for run, reading in readings.items()})
    _compare({run: reading.records for run, reading in readings.items()})
    found: dict[str, tuple[Path, Record]] = {}
    repeated, conflicts = set[str](), []
    for run, reading in readings.items():
        for record in reading.records:
            name = record.trial.id
            if name not in found:
                found[name] = run, record
                continue
            repeated.add(name)
            kept_in, kept = found[name]
            if record.state.is_final and not kept.state.is_final:
                found[name] = run, record
            elif record.state.is_final and _result(record) != _result(kept):
                conflicts.append(Conflict(kept=kept, kept_in=kept_in, other=record, other_in=run))
    store = Store(target)
    path = target / "grid.toml"
    files.publish(path, seal(dump_grid(grid).encode(), path.suffix))
    store.add([record for run, record in found.values() if run != target])
    return Merged(
        records=len(found),
        repeated=len(repeated),
        conflicts=tuple(conflicts),
        damaged=tuple(one for reading in readings.values() for one in reading.damaged),
    )


def _find_grid(grids: dict[Path, Grid | None]) -> Grid:
    """The first one. Raises `ScalectlError` where another one asks for something else."""
    first = next((grid for grid in grids.values() if grid), None)
    if first is None:
        raise ScalectlError(
            f"Of {', '.join(map(str, grids))}, none has an undamaged grid.toml.",
            "Run scalectl grid with its arguments on one of them first.",
        )
    for run, grid in grids.items():
        compare_grids(run, first, grid)
    return first


def _compare(records: dict[Path, tuple[Record, ...]]) -> None:
    searched = [
        one.trial for some in records.values() for one in some if one.trial.stage == "search"
    ]
    for run, some in records.items():
        if searched:
            compare_trials(run, some, searched[0])


def _result(record: Record) -> tuple[object, ...]:
    scores = record.top1, record.loss, record.train_top1, record.train_loss
    return record.state, *scores, record.curve
