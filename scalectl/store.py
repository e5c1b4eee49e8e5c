"""Records <-> Parquet; the only code that writes results (PROMISES: the store).

One immutable row file per trial, named by the trial's id, with a digest of its own values in it.
"""

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from scalectl import __version__, files
from scalectl.cost import Cost
from scalectl.errors import ScalectlError
from scalectl.factory import from_dict
from scalectl.scaling import Coefficients, Multipliers, Shares
from scalectl.trial import Candidate, DataCard, Recipe, Record, State, Trial

FORMAT = 1

_TEXT, _INTEGER, _NUMBER = pa.string(), pa.int64(), pa.float64()
SCHEMA = pa.schema(
    [
        ("trial_id", _TEXT),
        ("state", _TEXT),
        ("seed", _INTEGER),
        ("control", _TEXT),
        ("alpha", _NUMBER),
        ("beta", _NUMBER),
        ("gamma", _NUMBER),
        ("depth_multiplier", _NUMBER),
        ("width_multiplier", _NUMBER),
        ("resolution_multiplier", _NUMBER),
        ("depth_share", _NUMBER),
        ("width_share", _NUMBER),
        ("resolution_share", _NUMBER),
        ("nominal_ratio", _NUMBER),
        ("realised_ratio", _NUMBER),
        ("params", _INTEGER),
        ("macs", _INTEGER),
        ("activations", _INTEGER),
        ("top1", _NUMBER),
        ("loss", _NUMBER),
        ("train_top1", _NUMBER),
        ("train_loss", _NUMBER),
        ("curve", pa.list_(_NUMBER)),
        ("seconds", _NUMBER),
        ("macs_spent", _INTEGER),
        ("peak_memory", _INTEGER),
        ("error", _TEXT),
        # As JSON, because their fields grow with the kinds of networks, recipes and data.
        ("architecture", _TEXT),
        ("baseline", _TEXT),
        ("recipe", _TEXT),
        ("data", _TEXT),
        ("environment", _TEXT),
        ("row_digest", _TEXT),
    ]
)
"""Nominal alpha, beta, gamma; everything else realised. Top-1 as fractions, losses in nats, memory in bytes."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that was not believed, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run or a file holds."""

    records: tuple[Record, ...]
    """By trial id."""
    damaged: tuple[Damaged, ...] = ()


class Store:
    """The results of one search, in a folder that is made when it is missing.

    Raises `ScalectlError` where it cannot be written, or was written by a newer scalectl.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trials = folder / "trials"
        try:
            self._trials.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ScalectlError(
                f"The run folder {folder} cannot be written: {problem.strerror}.",
                "Choose another one with -o.",
            ) from None
        content = json.dumps({"format": FORMAT, "created_by": f"scalectl {__version__}"})
        files.publish(folder / "FORMAT.json", content.encode() + b"\n")
        _check_format(folder)

    def write(self, record: Record) -> None:
        """Publish a record. A final one is never replaced: the first to publish a trial wins."""
        path = self._trials / f"{record.trial.id}.parquet"
        content = _to_parquet([record])
        if not files.publish(path, content) and not _is_final(path):
            files.replace(path, content)

    def read(self) -> Reading:
        """All records that prove undamaged."""
        return read(self.folder)

    def quarantine(self, damaged: Iterable[Damaged]) -> None:
        """Set damaged files aside, so that their trials run again."""
        aside = self.folder / "quarantine"
        for one in damaged:
            aside.mkdir(exist_ok=True)
            one.path.replace(aside / one.path.name)


def read(path: Path) -> Reading:
    """A run folder, or one Parquet file of records. Raises `ScalectlError` when it is neither."""
    if path.is_file():
        return _read_file(path)
    if not (path / "FORMAT.json").exists():
        raise ScalectlError(
            f"{path} is not a run of scalectl." if path.exists() else f"There is no {path}.",
            "Give a folder that scalectl grid wrote, or a .parquet file of its records.",
        )
    _check_format(path)
    readings = [_read_file(file, file.stem) for file in sorted((path / "trials").glob("*.parquet"))]
    return Reading(
        tuple(record for reading in readings for record in reading.records),
        tuple(damaged for reading in readings for damaged in reading.damaged),
    )


def write_file(records: Iterable[Record], path: Path) -> None:
    """Many records in one file, to be shared or committed."""
    files.replace(path, _to_parquet(sorted(records, key=lambda record: record.trial.id)))


def _read_file(path: Path, trial_id: str = "") -> Reading:
    try:
        rows = parquet.ParquetFile(path, page_checksum_verification=True).read().to_pylist()
        records = tuple(_to_record(row) for row in rows)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, ScalectlError) as problem:
        return Reading((), (Damaged(path, " ".join(str(problem).split())[:200]),))
    if trial_id and [record.trial.id for record in records] != [trial_id]:
        return Reading((), (Damaged(path, "it is not the trial that its name says"),))
    return Reading(records)


def _is_final(path: Path) -> bool:
    return any(record.state.is_final for record in _read_file(path, path.stem).records)


def _to_parquet(records: list[Record]) -> bytes:
    table = pa.Table.from_pylist([_to_row(record) for record in records], schema=SCHEMA)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _check_format(folder: Path) -> None:
    path = folder / "FORMAT.json"
    try:
        written = int(json.loads(path.read_text())["format"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ScalectlError(
            f"{path} is damaged.", f'It must read {{"format": {FORMAT}}}.', exit_code=3
        ) from None
    if written > FORMAT:
        raise ScalectlError(
            f"{folder} was written by a newer scalectl (format {written}, this one reads {FORMAT}).",
            "Upgrade scalectl: python -m pip install -U scalectl.",
        )


def _to_row(record: Record) -> dict[str, Any]:
    trial, candidate = record.trial, record.trial.candidate
    shares = candidate.shares
    row = {
        "trial_id": trial.id,
        "seed": trial.seed,
        "control": candidate.control,
        **asdict(candidate.coefficients),
        **{f"{name}_multiplier": value for name, value in asdict(candidate.multipliers).items()},
        **{f"{one.name}_share": shares and getattr(shares, one.name) for one in fields(Shares)},
        "nominal_ratio": candidate.nominal_ratio,
        "realised_ratio": candidate.realised_ratio,
        **asdict(candidate.cost),
        **{name: getattr(record, name) for name in _RESULTS},
        "state": str(record.state),
        "curve": list(record.curve),
        "architecture": _to_json(candidate.architecture.to_dict()),
        "baseline": _to_json(trial.baseline.to_dict()),
        "recipe": _to_json(asdict(trial.recipe)),
        "data": _to_json(asdict(trial.data)),
        "environment": _to_json(record.environment),
    }
    return {**row, "row_digest": _digest(row)}


_RESULTS = (
    "top1",
    "loss",
    "train_top1",
    "train_loss",
    "seconds",
    "macs_spent",
    "peak_memory",
    "error",
)


def _to_record(row: dict[str, Any]) -> Record:
    """The inverse of `_to_row`. Raises `ValueError` where a value is not what was written."""
    claimed = row.pop("row_digest")
    if claimed != _digest(row):
        raise ValueError("its values do not match their digest")
    shares = [row[f"{one.name}_share"] for one in fields(Shares)]
    multipliers = [row[f"{one.name}_multiplier"] for one in fields(Multipliers)]
    candidate = Candidate(
        control=row["control"],
        coefficients=Coefficients(row["alpha"], row["beta"], row["gamma"]),
        multipliers=Multipliers(*multipliers),
        shares=None if shares[0] is None else Shares(*shares),
        nominal_ratio=row["nominal_ratio"],
        realised_ratio=row["realised_ratio"],
        architecture=from_dict(json.loads(row["architecture"])),
        cost=Cost(row["params"], row["macs"], row["activations"]),
    )
    trial = Trial(
        baseline=from_dict(json.loads(row["baseline"])),
        candidate=candidate,
        recipe=Recipe(**json.loads(row["recipe"])),
        data=DataCard(**json.loads(row["data"])),
        seed=row["seed"],
    )
    if trial.id != row["trial_id"]:
        raise ValueError("its content does not match its trial id")
    return Record(
        trial=trial,
        state=State(row["state"]),
        curve=tuple(row["curve"]),
        environment=json.loads(row["environment"]),
        **{name: row[name] for name in _RESULTS},
    )


def _digest(row: dict[str, Any]) -> str:
    return hashlib.sha256(_to_json(row).encode()).hexdigest()


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
