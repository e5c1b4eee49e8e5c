from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from factories import flip
from pyarrow import parquet

from scalectl.errors import ScalectlError
from scalectl.store import writer as store_module
from scalectl.store.checksum import add_checksum
from scalectl.store.parquet import encode, list_purposes
from scalectl.store.reader import ReadResult, read, read_run
from scalectl.store.writer import Store
from scalectl.trial import Record, State


def by_id(records: list[Record]) -> tuple[Record, ...]:
    return tuple(sorted(records, key=lambda record: record.trial.id))


def test_records_come_back_as_they_were(tmp_path: Path, records: list[Record]) -> None:
    """Round trip, floats to the last bit, from a run and from one file."""
    store = Store(tmp_path / "run")
    for record in records:
        store.write(record)
    (tmp_path / "all.parquet").write_bytes(encode(by_id(records)))
    expected = tuple(sorted(records, key=lambda record: record.trial.id))
    assert read(tmp_path / "run").records == expected
    assert read(tmp_path / "all.parquet").records == expected


def test_a_final_record_is_never_replaced(tmp_path: Path, records: list[Record]) -> None:
    """The first to publish wins; a failure gives way to a later one, and to the end."""
    store, (first, second, third, *_) = Store(tmp_path), records
    store.write(first)
    store.write(replace(first, top1=0.99))
    killed = replace(second, state=State.KILLED, error="SIGKILL")
    store.write(killed)
    store.write(second)
    for number in range(12):
        store.write(replace(third, state=State.ERROR, error=f"failure {number}"))
    last = replace(third, state=State.ERROR, error="failure 11")
    assert store.read().records == by_id([first, second, last])
    assert store.list_ended() == {first.trial.id, second.trial.id}
    assert store.list_settled(11) == {first.trial.id, second.trial.id, third.trial.id}
    assert store.list_settled(12) == store.list_ended()


def test_no_flipped_byte_of_a_record_is_believed(tmp_path: Path, records: list[Record]) -> None:
    """In a file of one trial, and in one of many, whose other rows are still shown."""
    run = tmp_path / "run"
    store = Store(run)
    store.write(records[3])
    (small,) = (run / "trials").glob("*.parquet")
    flip_each(small, kept=[])
    small.unlink()
    for record in records[:3]:
        store.write(record)
    store.compact()
    (compact,) = (run / "compact").iterdir()
    flip_each(compact, kept=records[:3])


def flip_each(path: Path, kept: list[Record]) -> None:
    """Flip one byte after another of a run's only file, from which none but these may still be read."""
    content = path.read_bytes()
    for position in range(0, len(content), 37):
        path.write_bytes(flip(content, position, position % 8))
        reading = read(path.parent.parent)
        assert all(record in kept for record in reading.records)
        assert [damage.path for damage in reading.damaged] == [path]


def test_purposes_are_listed_without_the_rest(tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / "all.parquet"
    assert list_purposes(path) == frozenset()
    confirmed = replace(records[0], trial=replace(records[0].trial, purpose="confirm"))
    path.write_bytes(encode([*records[:2], confirmed]))
    assert list_purposes(path) == {"search", "confirm"}
    path.write_bytes(b"junk")
    assert list_purposes(path) == frozenset()


@pytest.mark.parametrize("cut", [0, 1, "half", -1])
def test_truncated_files_are_named(cut: int | str, tmp_path: Path, records: list[Record]) -> None:
    """Whatever is left of them."""
    Store(tmp_path).write(records[0])
    (path,) = (tmp_path / "trials").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: cut if isinstance(cut, int) else len(content) // 2])
    assert [file.path for file in read(tmp_path).damaged] == [path]


def test_junk_is_named_and_the_rest_is_shown(tmp_path: Path, records: list[Record]) -> None:
    """Files that are something else, and a trial under the name of another."""
    store = Store(tmp_path)
    store.write(records[0])
    store.write(records[1])
    trials, name = tmp_path / "trials", records[1].trial.id
    (trials / "notes.parquet").write_bytes(b"my notes")
    (trials / "readme.txt").write_bytes(b"no trial")
    (trials / f"{name}.parquet").rename(trials / f"{'0' * 16}.parquet")
    reading = read(tmp_path)
    assert reading.records == (records[0],)
    reasons = {damage.path.name: damage.reason for damage in reading.damaged}
    assert reasons[f"{'0' * 16}.parquet"] == "it is not the trial that its name says"
    assert reasons.keys() == {f"{'0' * 16}.parquet", "notes.parquet"}


def test_a_damaged_file_is_set_aside_with_the_reason(tmp_path: Path, records: list[Record]) -> None:
    """So that its trial runs again; a second one does not overwrite the first."""
    store, trials = Store(tmp_path), tmp_path / "trials"
    for content in (b"junk", b"other junk"):
        store.write(records[0])
        (path,) = trials.iterdir()
        path.write_bytes(content)
        store.quarantine(store.read().damaged)
        assert store.read() == ReadResult()
    aside = {path.name: path.read_bytes() for path in (tmp_path / "quarantine").iterdir()}
    assert (aside[f"{path.name}.1"], aside[f"{path.name}.2"]) == (b"junk", b"other junk")
    assert aside[f"{path.name}.1.reason.txt"].startswith(b"Parquet file size is 4 bytes")


def test_what_is_whole_again_is_not_set_aside(tmp_path: Path, records: list[Record]) -> None:
    """Another command was faster."""
    store = Store(tmp_path)
    store.write(records[0])
    (path,) = (tmp_path / "trials").iterdir()
    content = path.read_bytes()
    path.write_bytes(b"junk")
    damaged = store.read().damaged
    path.write_bytes(content)
    store.quarantine(damaged)
    assert store.read().records == (records[0],)


def test_a_damaged_format_is_written_again(tmp_path: Path, records: list[Record]) -> None:
    """The records do not need it."""
    store = Store(tmp_path)
    store.write(records[0])
    path = tmp_path / "FORMAT.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"scalectl 0", b"scalectl 9"))
    reading = read(tmp_path)
    assert [file.path for file in reading.damaged] == [path]
    assert reading.records == (records[0],)
    Store(tmp_path).quarantine(reading.damaged)
    assert path.read_bytes() == content


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """With the way out, and untouched; also where a newer version seals in another way."""
    for content in (add_checksum(b'{"format": 2}', ".json"), b'{"format": 2, "seal": "x"}'):
        (tmp_path / "FORMAT.json").write_bytes(content)
        for open_it in (Store, read, read_run):
            with pytest.raises(ScalectlError, match="newer scalectl"):
                open_it(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["FORMAT.json"]


def test_many_small_files_become_one(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changes for readers, and later files are merged as they become as many."""
    monkeypatch.setattr(store_module, "_COMPACT_FROM", 3)
    store, shown = Store(tmp_path), records[:13]
    for number, record in enumerate(shown, 1):
        store.write(record)
        assert store.read().records == by_id(shown[:number])
        assert store.list_ended() == {record.trial.id for record in shown[:number]}
        assert Store(tmp_path).list_ended() == store.list_ended()
    rows = [parquet.read_metadata(path).num_rows for path in (tmp_path / "compact").iterdir()]
    assert sorted(rows) == [12]
    assert len(list((tmp_path / "trials").iterdir())) == 1
    store.write(replace(shown[0], top1=0.99))
    assert store.read().records == by_id(shown)


def test_damaged_rows_of_a_compact_file_are_made_again(
    tmp_path: Path, records: list[Record]
) -> None:
    """The others are kept: a flipped bit does not cost thousands of trainings."""
    store = Store(tmp_path)
    for record in records[:6]:
        store.write(record)
    store.compact()
    (path,) = (tmp_path / "compact").iterdir()
    rows = parquet.read_table(path)
    values = rows.column("top1").to_pylist()
    changed = rows.set_column(rows.schema.get_field_index("top1"), "top1", [[0.5, *values[1:]]])
    parquet.write_table(changed, path)
    reading = store.read()
    assert reading.records == by_id(records[:6])[1:]
    assert [file.reason for file in reading.damaged] == ["its values do not match their digest"]
    store.quarantine(reading.damaged)
    assert store.read() == ReadResult(by_id(records[:6])[1:])


def test_many_rows_of_a_damaged_file_are_kept(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than are compacted again, which would give a file of the same name."""
    store, kept = Store(tmp_path), by_id(records[:12])
    for record in kept:
        store.write(record)
    store.compact()
    assert len(store.list_ended()) == 12
    (path,) = (tmp_path / "compact").iterdir()
    parquet.write_table(parquet.read_table(path), path)  # its rows prove undamaged, it does not
    monkeypatch.setattr(store_module, "_COMPACT_FROM", 3)
    reading = store.read()
    assert reading.records == kept
    store.compact()  # as another command may at any moment
    assert store.read().records == kept
    store.quarantine(reading.damaged)
    assert store.read() == ReadResult(kept)
    store.compact()
    assert store.read() == ReadResult(kept)


def test_a_file_that_another_program_wrote_is_read(tmp_path: Path, records: list[Record]) -> None:
    """In row groups, with other kinds of texts and numbers and another order of columns."""
    failed = replace(records[0], state=State.KILLED, top1=None, loss=None, error="SIGKILL")
    expected = by_id([failed, *records[1:9]])
    path = tmp_path / "all.parquet"
    path.write_bytes(encode(expected))
    rows = parquet.read_table(path)
    kinds = {pa.string(): pa.large_string(), pa.int64(): pa.uint64()}
    rows = rows.cast(
        pa.schema([(column.name, kinds.get(column.type, column.type)) for column in rows.schema])
    )
    parquet.write_table(rows.select(sorted(rows.column_names)), path, row_group_size=2)
    assert read(path) == ReadResult(expected)


def test_commands_that_compact_at_once_lose_nothing(
    tmp_path: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one, at each moment of the first: between its reading, its publishing, its removing."""

    from scalectl.store import atomic

    run, expected = tmp_path / "run", by_id(records[:4])
    for call in ("publish", "remove"):
        store = Store(run)
        for record in records[:4]:
            store.write(record)
        real = getattr(atomic, call)

        def interrupted(*arguments: object, real: Any = real, call: str = call) -> object:
            monkeypatch.setattr(atomic, call, real)
            Store(run).compact()
            assert read(run).records == expected
            return real(*arguments)

        monkeypatch.setattr(atomic, call, interrupted)
        store.compact()
        assert read(run) == ReadResult(expected)
        assert store.list_ended() == {record.trial.id for record in expected}
        for path in (run / "compact").iterdir():
            path.unlink()


def test_a_file_that_another_program_wrote_is_held_to_its_rows(
    tmp_path: Path, records: list[Record]
) -> None:
    """It has no seal any more, and its values are still those of the rows."""
    path = tmp_path / "all.parquet"
    path.write_bytes(encode(by_id(records)))
    parquet.write_table(parquet.read_table(path), path)
    assert read(path) == ReadResult(by_id(records))


def test_what_was_left_behind_is_removed(tmp_path: Path, records: list[Record]) -> None:
    """Halves of files, and checkpoints of trials that ended; never those of others."""
    store = Store(tmp_path)
    store.write(records[0])
    for place in ("", "trials", "cache", "checkpoints"):
        (tmp_path / place / ".0123.tmp").write_bytes(b"half")
    (store.checkpoints / records[0].trial.id).write_bytes(b"")
    (store.checkpoints / records[1].trial.id).write_bytes(b"")
    store.clean_up()
    assert not list(tmp_path.rglob("*.tmp"))
    assert [path.name for path in store.checkpoints.iterdir()] == [records[1].trial.id]


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    """An empty folder and a missing one."""
    with pytest.raises(ScalectlError, match="not a run"):
        read(tmp_path)
    with pytest.raises(ScalectlError, match="There is no"):
        read(tmp_path / "missing")
