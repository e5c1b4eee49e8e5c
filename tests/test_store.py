from dataclasses import replace
from pathlib import Path

import pytest

from scalectl.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.grid import Design, Proxy, enumerate_candidates, shrink
from scalectl.store import Store, read, write_file
from scalectl.trial import DataCard, Record, State, Trial

CARD = DataCard(
    name="glyphs",
    classes=16,
    native=72,
    flip=False,
    note="a note",
    sizes={"train": 4, "select": 2, "test": 2},
    digests={"train": "a", "select": "b", "test": "c"},
)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    enumeration = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 72)
    return [
        Record(
            trial=Trial(
                baseline=B0, candidate=candidate, recipe=Proxy().recipe, data=CARD, seed=seed
            ),
            state=State.DONE,
            top1=0.1 + seed / 3,
            loss=1 / 3,
            curve=(2.1, 1 / 3),
            environment={"torch": "x"},
        )
        for candidate in enumeration.candidates
        for seed in range(2)
    ]


def test_records_come_back_as_they_were(tmp_path: Path, records: list[Record]) -> None:
    """Round trip, floats to the last bit, from a run and from one file."""
    store = Store(tmp_path / "run")
    for record in records:
        store.write(record)
    write_file(records, tmp_path / "all.parquet")
    expected = tuple(sorted(records, key=lambda record: record.trial.id))
    assert read(tmp_path / "run").records == expected
    assert read(tmp_path / "all.parquet").records == expected


def test_a_final_record_is_never_replaced(tmp_path: Path, records: list[Record]) -> None:
    """The first to publish wins; a failure gives way."""
    store, (first, second, *_) = Store(tmp_path), records
    store.write(first)
    store.write(replace(first, top1=0.99))
    store.write(replace(second, state=State.KILLED, error="SIGKILL"))
    store.write(second)
    expected = sorted([first, second], key=lambda record: record.trial.id)
    assert list(store.read().records) == expected


def test_every_flipped_byte_is_noticed(tmp_path: Path, records: list[Record]) -> None:
    """A damaged file is named, and never believed."""
    store, record = Store(tmp_path), records[3]
    store.write(record)
    (path,) = (tmp_path / "trials").iterdir()
    content = path.read_bytes()
    for position in range(0, len(content), 97):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        reading = store.read()
        assert reading.records == (record,) or [one.path for one in reading.damaged] == [path]


def test_a_damaged_file_is_set_aside(tmp_path: Path, records: list[Record]) -> None:
    """So that its trial runs again."""
    store = Store(tmp_path)
    store.write(records[0])
    (path,) = (tmp_path / "trials").iterdir()
    path.write_bytes(b"junk")
    store.quarantine(store.read().damaged)
    assert store.read().damaged == ()
    assert (tmp_path / "quarantine" / path.name).read_bytes() == b"junk"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """With the way out, and untouched."""
    (tmp_path / "FORMAT.json").write_text('{"format": 2}')
    with pytest.raises(ScalectlError, match="newer scalectl"):
        Store(tmp_path)


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    """An empty folder and a missing one."""
    with pytest.raises(ScalectlError, match="not a run"):
        read(tmp_path)
    with pytest.raises(ScalectlError, match="There is no"):
        read(tmp_path / "missing")
