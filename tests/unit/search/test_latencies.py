"""Latencies are measured once, and stay in the run's file."""

import json
from pathlib import Path

import pytest
from factories import few

from scalectl.arch.architecture import Architecture, Stage
from scalectl.errors import ScalectlError
from scalectl.search import latencies
from scalectl.store.json_file import write_json
from scalectl.store.locks import Locks
from scalectl.training import devices


def make_network(width: int) -> Architecture:
    stage = Stage(block="basic", repeats=1, width=width, stride=2)
    return Architecture(name=f"net{width}", resolution=16, stem_width=8, stages=(stage,))


FIRST, SECOND = make_network(8), make_network(16)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "locks").mkdir()
    return tmp_path


def complete(run: Path, *networks: Architecture, device: str = "cpu") -> dict[str, float]:
    return dict(latencies.complete(run, networks, device, Locks(run / "locks", 30)))


def test_a_network_is_measured_once(run: Path) -> None:
    """What is there stays to the last digit, whoever asks again."""
    first = complete(run, FIRST)
    assert first.keys() == {FIRST.fingerprint}
    assert 0 < first[FIRST.fingerprint] < 1
    content = (run / "latencies.json").read_bytes()
    assert complete(run, FIRST) == first
    assert (run / "latencies.json").read_bytes() == content
    both = complete(run, SECOND, FIRST)
    assert both == {**first, SECOND.fingerprint: both[SECOND.fingerprint]}
    assert latencies.read(run) == both


def test_a_file_of_another_machine_is_not_continued(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what needs no measuring goes on anywhere."""
    first = complete(run, FIRST)
    monkeypatch.setattr(devices, "THREADS", devices.THREADS + 1)
    assert complete(run, FIRST) == first
    with pytest.raises(ScalectlError, match=r"are of cpu with \d+ threads, and here is cpu with"):
        complete(run, SECOND)
    assert latencies.read(run) == first


def test_damage_is_no_reason_to_measure_again_unnoticed(run: Path) -> None:
    complete(run, FIRST)
    path = run / "latencies.json"
    path.write_bytes(path.read_bytes().replace(b"seconds", b"sekonds"))
    assert latencies.read(run) == {}
    with pytest.raises(ScalectlError, match="was damaged while the search ran") as problem:
        complete(run, FIRST)
    assert problem.value.exit_code == 3


def test_a_network_that_cannot_be_measured_is_named(run: Path) -> None:
    """And the lock is free for others."""
    with pytest.raises(ScalectlError, match="latency of net8 cannot be measured on cuda:99"):
        complete(run, FIRST, device="cuda:99")
    assert complete(run, FIRST)
    candidate = few().records[0].trial.candidate
    with pytest.raises(ScalectlError, match="cannot be measured on cuda:99") as problem:
        latencies.measure(run, [candidate], "cuda:99")
    assert "--set select.by=activations" in problem.value.hint


def test_what_was_measured_beside_other_work_is_counted(run: Path) -> None:
    """By how far the median is above the fastest pass."""
    assert latencies.count_unsteady(run) == 0
    networks = {
        str(seconds): {"seconds": seconds, "fastest": 0.01} for seconds in (0.01, 0.0149, 0.0151, 1)
    }
    write_json(run / "latencies.json", {"schema_version": 1, "networks": networks})
    assert latencies.count_unsteady(run) == 2


def test_records_in_a_file_have_theirs_beside(run: Path) -> None:
    (run / "all.parquet").write_bytes(b"")
    assert latencies.read(run / "all.parquet") == {}
    entry = {"seconds": 0.5, "device": "cpu", "threads": 1}
    write_json(run / "all.latencies.json", {"schema_version": 1, "networks": {"abc": entry}})
    assert latencies.read(run / "all.parquet") == {"abc": 0.5}
    assert json.loads((run / "all.latencies.json").read_text())["networks"] == {"abc": entry}
