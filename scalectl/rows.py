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
        return _believe(_read_columns(content, _REPEATED))
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
        columns = _read_columns(content)
    except _UNREADABLE as problem:
        return (), _describe(problem)
    for values in zip(*columns.values(), strict=True):
        try:
            records.append(_prove(dict(zip(columns, values, strict=True))))
        except _UNREADABLE as problem:
            damage = damage or _describe(problem)
    return tuple(records), damage


def _describe(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]


_Columns = Mapping[str, Sequence[Any]]


def _read_columns(content: bytes, repeated: Sequence[str] = ()) -> _Columns:
    """`repeated` are columns of texts of which each is made once; of damaged files rather none."""
    file = parquet.ParquetFile(
        pa.BufferReader(content), page_checksum_verification=True, read_dictionary=repeated
    )
    there = file.schema_arrow.names
    schema = pa.schema([one for one in SCHEMA if one.name in there or one.name not in _LATER])
    table = file.read()
    return {one.name: list(_list_values(table.column(one.name), one.type)) for one in schema}


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


def _believe(columns: _Columns) -> tuple[Record, ...]:
    """Of a sealed file, its ids too: to hash them anew would take longer than all the rest."""
    records = _to_records(columns)
    for record, name in zip(records, columns["trial_id"], strict=True):
        vars(record.trial)["id"] = name
    return records


def _prove(row: dict[str, Any]) -> Record:
    """Raises `ValueError` where a value is not what was written."""
    values = {key: value for key, value in row.items() if key != "row_digest"}
    if row["row_digest"] != _digest(values):
        raise ValueError("its values do not match their digest")
    (record,) = _to_records({key: [value] for key, value in row.items()})
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


def _to_records(columns: _Columns) -> tuple[Record, ...]:
    """The inverse of `_to_row`; of all rows at once, which is quicker than one after another."""
    count = len(columns["trial_id"])
    candidates = map(
        _load_candidate,
        columns.get("phi", [None] * count),
        *(columns[name] for name in _CANDIDATE),
    )
    trials = [
        Trial(
            baseline=baseline, candidate=candidate, recipe=recipe, data=data, seed=seed, stage=stage
        )
        for baseline, candidate, recipe, data, seed, stage in zip(
            map(_load_network, columns["baseline"]),
            candidates,
            map(_load_recipe, columns["recipe"]),
            map(_load_card, columns["data"]),
            columns["seed"],
            columns.get("stage", ["search"] * count),
            strict=True,
        )
    ]
    return tuple(
        Record(
            trial=trial,
            state=state,
            curve=curve,
            environment=environment,
            **dict(zip(_RESULTS, results, strict=True)),
        )
        for trial, state, curve, environment, *results in zip(
            trials,
            map(State, columns["state"]),
            map(tuple, columns["curve"]),
            map(_load_environment, columns["environment"]),
            *(columns[name] for name in _RESULTS),
            strict=True,
        )
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
