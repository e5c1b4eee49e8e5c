"""Encode records as Parquet, and decode them: one row each, with a digest of its own values."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from scalectl.arch.cost import Cost
from scalectl.arch.factory import Baseline, parse_baseline
from scalectl.arch.scaling import Coefficients, Multipliers, Shares
from scalectl.errors import ScalectlError
from scalectl.store.checksum import add_checksum, verify_checksum
from scalectl.trial import Candidate, DataAccount, DataCard, Recipe, Record, State, Trial

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
        ("stage", _TEXT),
        ("phi", _NUMBER),
        ("balanced_top1", _NUMBER),
        ("top1_curve", pa.list_(_NUMBER)),
        ("train_curve", pa.list_(_NUMBER)),
        ("row_digest", _TEXT),
    ]
)
"""Columns of a file. alpha, beta, gamma and nominal_ratio are nominal, all else is realised; top-1 are
fractions, losses in nats, seconds of wall-clock, peak_memory in bytes."""


_LATER = ("stage", "phi", "balanced_top1", "top1_curve", "train_curve")
"""Columns that files of older versions do not have."""


class DamagedError(ValueError):
    """Raised for a file that is not what was written; `records` are its rows whose digests match."""

    def __init__(self, reason: str, records: tuple[Record, ...] = ()) -> None:
        super().__init__(reason)
        self.records = records


def tabulate(records: Sequence[Record]) -> pa.Table:
    """Make a table with the columns of `SCHEMA`, a row for each record."""
    return pa.Table.from_pylist([_to_row(record) for record in records], schema=SCHEMA)


def encode(records: Sequence[Record]) -> bytes:
    """Encode records as the content of a Parquet file with a checksum."""
    buffer = io.BytesIO()
    # A dictionary for one row would be longer than the row.
    parquet.write_table(
        tabulate(records),
        buffer,
        compression="zstd",
        use_dictionary=len(records) > 1,
        write_statistics=False,
        write_page_checksum=True,
    )
    return add_checksum(buffer.getvalue(), ".parquet")


def decode(content: bytes, *, has_checksum: bool = True) -> tuple[Record, ...]:
    """Read the records of a file. Raises `DamagedError` unless everything is what was written.

    Without `has_checksum`, as for a file that another program wrote anew, the digest of each row is
    enough.
    """
    try:
        verify_checksum(content, ".parquet")
        return tuple(map(_to_record, _read_rows(content)))
    except _UNREADABLE as problem:
        records, damage = _salvage(content)
        if has_checksum or damage:
            raise DamagedError(damage or _describe(problem), records) from None
        return records


def list_ids(content: bytes) -> frozenset[str]:
    """List the trial ids in a file without decoding the rest. Raises as `decode` does."""
    try:
        verify_checksum(content, ".parquet")
        file = parquet.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        return frozenset(file.read(columns=["trial_id"]).column(0).to_pylist())
    except _UNREADABLE as problem:
        records, damage = _salvage(content)
        raise DamagedError(damage or _describe(problem), records) from None


def list_purposes(path: Path) -> frozenset[str]:
    """List what the trials in a file are for, without decoding the rest; none if it is unreadable."""
    try:
        columns = parquet.ParquetFile(path).read(columns=["stage"]).to_pydict()
    except _UNREADABLE:
        return frozenset()
    return frozenset(columns.get("stage", ()))  # files of older versions lack it


_UNREADABLE = (ValueError, KeyError, TypeError, OSError, pa.ArrowException, ScalectlError)


def _salvage(content: bytes) -> tuple[tuple[Record, ...], str]:
    """Return the records whose digests match, and what is wrong with the first of the others."""
    records: list[Record] = []
    damage = ""
    try:
        rows = _read_rows(content)
    except _UNREADABLE as problem:
        return (), _describe(problem)
    for row in rows:
        try:
            records.append(_verify_row(row))
        except _UNREADABLE as problem:
            damage = damage or _describe(problem)
    return tuple(records), damage


def _describe(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]


def _read_rows(content: bytes) -> list[dict[str, Any]]:
    file = parquet.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    there = file.schema_arrow.names
    schema = pa.schema(
        [column for column in SCHEMA if column.name in there or column.name not in _LATER]
    )
    rows: list[dict[str, Any]] = file.read().select(schema.names).cast(schema).to_pylist()
    return rows


def _verify_row(row: dict[str, Any]) -> Record:
    """Decode a row. Raises `ValueError` where a value is not what was written."""
    values = {key: value for key, value in row.items() if key != "row_digest"}
    if row["row_digest"] != _digest(values):
        raise ValueError("its values do not match their digest")
    record = _to_record(row)
    if record.trial.id != row["trial_id"]:
        raise ValueError("its content does not match its trial id")
    return record


def _to_row(record: Record) -> dict[str, Any]:
    trial, candidate = record.trial, record.trial.candidate
    shares = candidate.shares
    row = {
        "trial_id": trial.id,
        "seed": trial.seed,
        "control": candidate.control,
        **asdict(candidate.coefficients),
        **{f"{name}_multiplier": value for name, value in asdict(candidate.multipliers).items()},
        **{f"{part.name}_share": shares and getattr(shares, part.name) for part in fields(Shares)},
        "nominal_ratio": candidate.nominal_ratio,
        "realised_ratio": candidate.realised_ratio,
        **asdict(candidate.cost),
        **{name: getattr(record, name) for name in _RESULTS},
        "state": str(record.state),
        "curve": list(record.curve),
        "top1_curve": list(record.top1_curve),
        "train_curve": list(record.train_curve),
        "architecture": _to_json(candidate.architecture.to_dict()),
        "baseline": _to_json(trial.baseline.to_dict()),
        "recipe": _to_json(asdict(trial.recipe)),
        "data": _to_json(asdict(trial.data)),
        "environment": _to_json(record.environment),
        "stage": trial.purpose,
        "phi": candidate.phi,
        "balanced_top1": record.balanced_top1,
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
    trial = Trial(
        baseline=_load_network(row["baseline"]),
        candidate=_load_candidate(row.get("phi"), *(row[name] for name in _CANDIDATE)),
        recipe=_load_recipe(row["recipe"]),
        data=_load_card(row["data"]),
        seed=row["seed"],
        purpose=row.get("stage", "search"),
    )
    return Record(
        trial=trial,
        state=State(row["state"]),
        curve=tuple(row["curve"]),
        top1_curve=tuple(row.get("top1_curve", ())),
        train_curve=tuple(row.get("train_curve", ())),
        environment=_load_environment(row["environment"]),
        balanced_top1=row.get("balanced_top1"),
        **{name: row[name] for name in _RESULTS},
    )


_CANDIDATE = (
    *("control", "architecture", "nominal_ratio", "realised_ratio", "alpha", "beta", "gamma"),
    *(f"{part.name}_multiplier" for part in fields(Multipliers)),
    *(f"{part.name}_share" for part in fields(Shares)),
    *("params", "macs", "activations"),
)


# The rows of a search name the same candidates, recipes and data again and again.
@lru_cache(maxsize=2**16)
def _load_candidate(
    phi: float | None,
    control: str,
    architecture: str,
    nominal_ratio: float,
    realised_ratio: float,
    *numbers: Any,
) -> Candidate:
    shares = None if numbers[6] is None else Shares(*numbers[6:9])
    if phi is None:  # an older version
        phi = 1.0 if shares else 0.0
    return Candidate(
        control=control,
        coefficients=Coefficients(*numbers[:3]),
        multipliers=Multipliers(*numbers[3:6]),
        shares=shares,
        nominal_ratio=nominal_ratio,
        realised_ratio=realised_ratio,
        architecture=_load_network(architecture),
        cost=Cost(*numbers[9:]),
        phi=phi,
    )


@lru_cache(maxsize=2**16)
def _load_network(text: str) -> Baseline:
    return parse_baseline(json.loads(text))


@lru_cache(maxsize=64)
def _load_recipe(text: str) -> Recipe:
    return Recipe(**json.loads(text))


@lru_cache(maxsize=64)
def _load_card(text: str) -> DataCard:
    content = json.loads(text)
    if account := content.get("account"):
        account = DataAccount(**{**account, "warnings": tuple(account["warnings"])})
    return DataCard(**{**content, "account": account})


@lru_cache(maxsize=64)
def _load_environment(text: str) -> dict[str, str]:
    environment: dict[str, str] = json.loads(text)
    return environment


def _digest(row: dict[str, Any]) -> str:
    return hashlib.sha256(_to_json(row).encode()).hexdigest()


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
