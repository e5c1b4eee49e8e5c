"""Records <-> Parquet: one row each, with a digest of its own values."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from scalectl.cost import Cost
from scalectl.errors import ScalectlError
from scalectl.factory import Baseline, from_dict
from scalectl.scaling import Coefficients, Multipliers, Shares
from scalectl.seals import seal, unseal
from scalectl.trial import Candidate, DataCard, Recipe, Record, State, Trial

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
        ("row_digest", _TEXT),
    ]
)
"""Nominal alpha, beta, gamma; everything else realised. Top-1 as fractions, losses in nats, memory in bytes."""


_REPEATED = ("architecture", "baseline", "recipe", "data", "environment")
"""Columns of long texts that many rows share."""

_LATER = ("stage", "phi")
"""Columns that files of older versions do not have."""


class DamagedError(ValueError):
    """A file that was not believed; `records` are those of its rows that prove undamaged."""

    def __init__(self, reason: str, records: tuple[Record, ...] = ()) -> None:
        super().__init__(reason)
        self.records = records


def encode(records: Sequence[Record]) -> bytes:
    """A sealed Parquet file (`seals`)."""
    trials = [record.trial for record in records]
    networks = [one for trial in trials for one in (trial.baseline, trial.candidate.architecture)]
    # Once each, and not by value: networks that are equal need not read the same.
    texts = {
        key: _to_json(one.to_dict()) for key, one in {id(one): one for one in networks}.items()
    }
    rows = [_to_row(record, texts) for record in records]
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    table = pa.Table.from_pydict(columns, schema=SCHEMA)
    buffer = io.BytesIO()
    # A dictionary for one row would be longer than the row.
    parquet.write_table(
        table,
        buffer,
        compression="zstd",
        use_dictionary=len(records) > 1,
        write_statistics=False,
        write_page_checksum=True,
    )
    return seal(buffer.getvalue(), ".parquet")


def decode(content: bytes, *, sealed: bool = True) -> tuple[Record, ...]:
    """The inverse of `encode`. Raises `DamagedError` unless everything is what was written.

    Where no seal is asked for, as of a file that another program wrote anew, the digest of each
    row is enough.
    """
    try:
        unseal(content, ".parquet")
        return tuple(map(_believe, _read_rows(content, _REPEATED)))
    except _UNREADABLE as problem:
        records, damage = _salvage(content)
        if sealed or damage:
            raise DamagedError(damage or _describe(problem), records) from None
        return records


def list_ids(content: bytes) -> frozenset[str]:
    """The trial ids of a sealed file, without the rest. Raises as `decode` does."""
    try:
        unseal(content, ".parquet")
        file = parquet.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        return frozenset(file.read(columns=["trial_id"]).column(0).to_pylist())
    except _UNREADABLE as problem:
        records, damage = _salvage(content)
        raise DamagedError(damage or _describe(problem), records) from None


_UNREADABLE = (ValueError, KeyError, TypeError, OSError, pa.ArrowException, ScalectlError)


def _salvage(content: bytes) -> tuple[tuple[Record, ...], str]:
    """The records whose digests hold, and what is wrong with the first of the others."""
    records: list[Record] = []
    damage = ""
    try:
        rows = list(_read_rows(content))
    except _UNREADABLE as problem:
        return (), _describe(problem)
    for row in rows:
        try:
            records.append(_prove(row))
        except _UNREADABLE as problem:
            damage = damage or _describe(problem)
    return tuple(records), damage


def _describe(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]


def _read_rows(content: bytes, repeated: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """`repeated` are columns of texts of which each is made once; of damaged files rather none."""
    file = parquet.ParquetFile(
        pa.BufferReader(content), page_checksum_verification=True, read_dictionary=repeated
    )
    there = file.schema_arrow.names
    schema = pa.schema([one for one in SCHEMA if one.name in there or one.name not in _LATER])
    table = file.read()
    columns = [list(_list_values(table.column(one.name), one.type)) for one in schema]
    return (dict(zip(schema.names, row, strict=True)) for row in zip(*columns, strict=True))


_CODES: dict[pa.DataType, Any] = {_INTEGER: "q", _NUMBER: "d"}


def _list_values(column: pa.ChunkedArray, kind: pa.DataType) -> Iterator[Any]:
    """As Python values; plain numbers from their bytes, which is ten times as fast."""
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type) and chunk.type.value_type == kind:
            texts = chunk.dictionary.to_pylist()
            places = chunk.indices.to_pylist()
            yield from (None if place is None else texts[place] for place in places)
        elif chunk.type == kind and kind in _CODES and not chunk.null_count:
            numbers = memoryview(chunk.buffers()[1]).cast("B").cast(_CODES[kind])
            yield from numbers[chunk.offset : chunk.offset + len(chunk)].tolist()
        else:  # cast where another program wrote it
            yield from (chunk if chunk.type == kind else chunk.cast(kind)).to_pylist()


def _believe(row: dict[str, Any]) -> Record:
    """Of a sealed file, its ids too: to hash them anew would take longer than all the rest."""
    record = _to_record(row)
    vars(record.trial)["id"] = row["trial_id"]
    return record


def _prove(row: dict[str, Any]) -> Record:
    """Raises `ValueError` where a value is not what was written."""
    values = {key: value for key, value in row.items() if key != "row_digest"}
    if row["row_digest"] != _digest(values):
        raise ValueError("its values do not match their digest")
    record = _to_record(row)
    if record.trial.id != row["trial_id"]:
        raise ValueError("its content does not match its trial id")
    return record


def _to_row(record: Record, texts: Mapping[int, str]) -> dict[str, Any]:
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
        "architecture": texts[id(candidate.architecture)],
        "baseline": texts[id(trial.baseline)],
        "recipe": _to_json(asdict(trial.recipe)),
        "data": _to_json(asdict(trial.data)),
        "environment": _to_json(record.environment),
        "stage": trial.stage,
        "phi": candidate.phi,
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
    """The inverse of `_to_row`."""
    trial = Trial(
        baseline=_load_network(row["baseline"]),
        candidate=_load_candidate(row.get("phi"), *[row[name] for name in _CANDIDATE]),
        recipe=_load_recipe(row["recipe"]),
        data=_load_card(row["data"]),
        seed=row["seed"],
        stage=row.get("stage", "search"),
    )
    return Record(
        trial=trial,
        state=State(row["state"]),
        curve=tuple(row["curve"]),
        environment=_load_environment(row["environment"]),
        **{name: row[name] for name in _RESULTS},
    )


_CANDIDATE = (
    *("control", "architecture", "nominal_ratio", "realised_ratio", "alpha", "beta", "gamma"),
    *(f"{one.name}_multiplier" for one in fields(Multipliers)),
    *(f"{one.name}_share" for one in fields(Shares)),
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
    return from_dict(json.loads(text))


@lru_cache(maxsize=64)
def _load_recipe(text: str) -> Recipe:
    return Recipe(**json.loads(text))


@lru_cache(maxsize=64)
def _load_card(text: str) -> DataCard:
    return DataCard(**json.loads(text))


@lru_cache(maxsize=64)
def _load_environment(text: str) -> dict[str, str]:
    environment: dict[str, str] = json.loads(text)
    return environment


def _digest(row: dict[str, Any]) -> str:
    return hashlib.sha256(_to_json(row).encode()).hexdigest()


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
