"""Unite the runs of one search: those of shards, or of machines that share no disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scalectl.errors import ScalectlError
from scalectl.search import plan_file
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.plan import is_start
from scalectl.search.config import Config, dump_config
from scalectl.search.resume import (
    S,
    compare_configs,
    compare_trials,
    read_settings,
    refuse_other_kinds,
)
from scalectl.store import atomic, reader
from scalectl.store.checksum import add_checksum
from scalectl.store.reader import DamagedFile, ReadResult
from scalectl.store.writer import Store
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
    """The outcome of a merge."""

    records: int
    """Number of trials with a record."""
    repeated: int
    """Number of trials that more than one run had."""
    conflicts: tuple[Conflict, ...]
    damaged: tuple[DamagedFile, ...]
    """Files that were left out."""


def merge(runs: Sequence[Path], target: Path) -> Merged:
    """Put the records of the runs into the target, which may be one of them, or have some already.

    Of two records of a trial the first stays: the target's, then in the order given; but how a trial
    ended comes before its failures. Raises `ScalectlError` for what is no run, and for runs of
    different searches, before anything is written.
    """
    is_there = (target / "FORMAT.json").exists()
    sources = list(dict.fromkeys([*([target] if is_there else []), *runs]))
    for run in sources:
        if run.is_file():
            raise ScalectlError(f"{run} is a file.", "Give folders that scalectl grid wrote.")
    readings = {run: reader.read(run) for run in sources}
    architectures = any((run / ArchitectureConfig.FILE).exists() for run in sources)
    config = _find_config(ArchitectureConfig if architectures else Config, readings)
    everything = (record.trial for reading in readings.values() for record in reading.records)
    # Of architectures, all of a search may be compared with the baseline's trial alone.
    typical = (trial for trial in everything if trial.purpose == "search" or is_start(trial))
    if searched := next(typical, None):
        for run, reading in readings.items():
            compare_trials(run, reading.records, searched)
    united: dict[str, tuple[Path, Record]] = {}
    repeated, conflicts = set[str](), []
    for run, reading in readings.items():
        for record in reading.records:
            name = record.trial.id
            if name not in united:
                united[name] = run, record
                continue
            repeated.add(name)
            kept_in, kept = united[name]
            if record.state.is_final and not kept.state.is_final:
                united[name] = run, record
            elif record.state.is_final and _result(record) != _result(kept):
                conflicts.append(Conflict(kept=kept, kept_in=kept_in, other=record, other_in=run))
    store = Store(target)
    path = target / config.FILE
    atomic.publish(path, add_checksum(dump_config(config).encode(), path.suffix))
    store.add([record for run, record in united.values() if run != target])
    plan_file.unite(sources, target)
    return Merged(
        records=len(united),
        repeated=len(repeated),
        conflicts=tuple(conflicts),
        damaged=tuple(file for reading in readings.values() for file in reading.damaged),
    )


def _find_config(kind: type[S], readings: dict[Path, ReadResult]) -> S:
    """Return the first config. Raises `ScalectlError` where another asks for something else."""
    configs = {run: read_settings(kind, run, result.damaged) for run, result in readings.items()}
    first = next((config for config in configs.values() if config), None)
    if first is None:
        raise ScalectlError(
            f"Of {', '.join(map(str, configs))}, none has an undamaged {kind.FILE}.",
            f"Run scalectl {Path(kind.FILE).stem} with its arguments on one of them first.",
        )
    if isinstance(first, ArchitectureConfig) and first.objective.latency:
        raise ScalectlError(
            "A search by latency is not merged: one machine has to measure all of its networks.",
            "Let several commands share one folder instead.",
        )
    for run, config in configs.items():
        refuse_other_kinds(run, kind)
        compare_configs(run, first, config)
    return first


def _result(record: Record) -> tuple[object, ...]:
    scores = record.top1, record.loss, record.train_top1, record.train_loss
    return record.state, *scores, record.curve
