"""What a search shows in Optuna, in real storages, and through optuna-dashboard."""

import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import optuna
import pytest
from command_server import TRIALS, CommandServer, search_in, table
from module_probe import PROBE, list_modules
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from scalectl.arch.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.search import trackers
from scalectl.search.plan import Plan, make_plan
from scalectl.search.trackers.mirror import Mirror, name_search
from scalectl.store.locks import Locks
from scalectl.store.reader import read_run
from scalectl.store.writer import Store
from scalectl.trial import Record, State

STORAGES = ["sqlite:///mirror.db", "mirror.log"]


def read(storage: str, folder: Path) -> list[FrozenTrial]:
    if storage.startswith("sqlite:///"):
        where: Any = f"sqlite:///{folder / storage.removeprefix('sqlite:///')}"
    else:
        where = JournalStorage(JournalFileBackend(str(folder / storage)))
    return list(optuna.load_study(study_name=None, storage=where).trials)


@pytest.mark.parametrize("storage", STORAGES)
def test_a_study_has_each_record_once(storage: str, server: CommandServer, tmp_path: Path) -> None:
    """Those of before too; run again, and by two commands at once."""
    plain = search_in(tmp_path)
    more = [*plain, "--set", "seeds=2"]
    assert server.run(plain, tmp_path) == 0
    running = [server.start([*more, "--optuna-storage", storage], tmp_path) for _ in range(2)]
    assert [server.wait(process) for process in running] == [0, 0]
    expected = {record.trial.id: record for record in read_run(tmp_path / "run").records}
    assert len(expected) == 2 * TRIALS
    for _ in range(2):
        trials = {trial.user_attrs["trial_id"]: trial for trial in read(storage, tmp_path)}
        assert len(read(storage, tmp_path)) == len(expected)
        assert trials.keys() == expected.keys()
        for name, trial in trials.items():
            record = expected[name]
            cost = record.trial.candidate.cost
            assert trial.state is TrialState.COMPLETE
            assert trial.value == record.top1
            assert trial.intermediate_values == dict(enumerate(record.curve, 1))
            assert trial.user_attrs["seed"] == record.trial.seed
            assert trial.user_attrs["control"] == record.trial.candidate.control
            assert trial.user_attrs["macs"] == cost.macs
            if record.trial.candidate.shares:
                assert trial.params["alpha"] == record.trial.candidate.coefficients.alpha
            else:
                assert set(trial.params.values()) == {1.0}
        assert server.run([*more, "--optuna-storage", storage], tmp_path) == 0
    assert "Optuna" not in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("storage", STORAGES)
def test_the_dashboard_shows_it(storage: str, server: CommandServer, tmp_path: Path) -> None:
    """Served on this machine."""
    assert server.run([*search_in(tmp_path), "--optuna-storage", storage], tmp_path) == 0
    records = {record.trial.id: record for record in read_run(tmp_path / "run").records}
    with serve(storage, tmp_path) as ask:
        (study,) = ask("/api/studies")["study_summaries"]
        assert re.fullmatch("run-[0-9a-f]{8}", study["study_name"])
        trials = ask(f"/api/studies/{study['study_id']}?after=0")["trials"]
    assert len(trials) == len(records) == TRIALS
    for trial in trials:
        attributes = {attribute["key"]: attribute["value"] for attribute in trial["user_attrs"]}
        record = records[attributes["trial_id"]]
        assert trial["state"] == "Complete"
        assert trial["values"] == [record.top1]
        assert len(trial["intermediate_values"]) == record.trial.recipe.epochs


@contextmanager
def serve(storage: str, folder: Path) -> Iterator[Any]:
    """What asks the dashboard for a path, while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("optuna-dashboard"))
    command = [program, storage, "--host", "127.0.0.1", "--port", str(port), "--server", "wsgiref"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:

        def ask(path: str) -> Any:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return json.load(answer)

        try:
            while True:
                assert server.poll() is None, server.stderr and server.stderr.read()
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield ask
        finally:
            server.terminate()


def test_each_search_has_a_study_of_its_own(tiny: Plan, tmp_path: Path) -> None:
    """By what it searches, whatever its folder is called; more seeds are the same search."""
    first, second = tmp_path / "a" / "run", tmp_path / "b" / "run"
    more = make_plan(replace(tiny.config, seeds=tiny.config.seeds + 1), B0)
    other = make_plan(replace(tiny.config, proxy=replace(tiny.config.proxy, epochs=9)), B0)
    assert name_search(tiny, first) == name_search(more, second) != name_search(other, first)
    assert name_search(other, first).startswith("run-")


def test_a_storage_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for storage in ("~/mirror.log", "sqlite:///~/mirror.db"):
        Mirror("optuna", storage, Store(tmp_path / "run"), "run", pytest.fail)
    assert (tmp_path / "mirror.log").exists()
    assert (tmp_path / "mirror.db").exists()


def test_a_trial_without_a_result_failed(tiny: Plan, tmp_path: Path) -> None:
    """With its reason; and when it is tried again, it is there again."""
    store, said, path = Store(tmp_path / "run"), list[str](), tmp_path / "mirror.log"
    trial = tiny.trials[0]
    store.write(Record(trial=trial, state=State.STALLED, error="it took no step"))
    mirror = Mirror("optuna", str(path), store, "run", said.append)
    done = Record(trial=trial, state=State.DONE, top1=0.5, curve=(2.0, 1.5))
    for _ in range(2):
        mirror.add([done])
    failed, complete = read("mirror.log", tmp_path)
    assert (failed.state, failed.user_attrs["error"]) == (TrialState.FAIL, "it took no step")
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 0.5)
    assert said == []


def test_while_another_command_adds_it_waits(tiny: Plan, tmp_path: Path) -> None:
    """Without holding up the search; the next time brings both."""
    store = Store(tmp_path / "run")
    mirror = Mirror("optuna", str(tmp_path / "mirror.log"), store, "run", pytest.fail)
    other = Locks(store.locks, 30)
    assert other.acquire("mirror")
    first, second = (Record(trial=trial, state=State.DONE, top1=0.5) for trial in tiny.trials[:2])
    mirror.add([first])
    assert read("mirror.log", tmp_path) == []
    other.release("mirror")
    mirror.add([second])
    assert len(read("mirror.log", tmp_path)) == 2


def test_a_storage_that_fails_is_done_without(tiny: Plan, tmp_path: Path) -> None:
    """Said once; a later command adds what is missing."""
    store, said, path = Store(tmp_path / "run"), list[str](), tmp_path / "mirror.log"
    mirror = Mirror("optuna", str(path), store, "run", said.append)
    kept = path.read_bytes()
    path.unlink()
    path.mkdir()
    for trial in tiny.trials[:3]:
        record = Record(trial=trial, state=State.DONE, top1=0.5)
        store.write(record)
        mirror.add([record])
    (text,) = said
    assert text.startswith("Warning: the Optuna storage failed: ")
    path.rmdir()
    path.write_bytes(kept)
    Mirror("optuna", str(path), store, "run", pytest.fail)
    assert len(read("mirror.log", tmp_path)) == 3


def test_a_search_is_not_harmed_by_it(
    server: CommandServer, undisturbed: str, tmp_path: Path
) -> None:
    """Whoever else writes to the storage, and whatever: the table is the same."""
    arguments = [*search_in(tmp_path), "--optuna-storage", "mirror.log"]
    running = server.start(arguments, tmp_path)
    journal = tmp_path / "mirror.log"
    while not journal.exists() or b"trial_id" not in journal.read_bytes():
        time.sleep(0.002)
    with journal.open("ab") as file:
        file.write(b"junk\n" * 3)
    assert server.wait(running) == 0
    assert table(tmp_path / "run") == undisturbed
    said = Counter(line.split(":")[0] for line in (tmp_path / "stderr").read_text().splitlines())
    assert said["Warning"] <= 1
    assert server.run(arguments, tmp_path) == 2  # it says so before it would train


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        ("nope://x", "Can't load plugin"),
        ("sqlite:////nowhere/at/all/x.db", "unable to open database file"),
        ("nowhere/at/all.log", "No such file or directory"),
        ("net.toml", "net.toml is no journal"),
        ("redis://x", "Redis"),
    ],
)
def test_an_unusable_storage_is_refused(
    storage: str, reason: str, server: CommandServer, tmp_path: Path
) -> None:
    """In one sentence, before anything is trained."""
    assert server.run([*search_in(tmp_path), "--optuna-storage", storage], tmp_path) == 2
    said = (tmp_path / "stderr").read_text()
    *_, last = said.splitlines()
    assert last.startswith("Error: The Optuna storage cannot be used: ")
    assert reason in last
    assert read_run(tmp_path / "run").records == ()


def test_trackers_are_loaded_when_asked_for(tmp_path: Path) -> None:
    loaded = list_modules(PROBE, *search_in(tmp_path), folder=tmp_path)
    assert "scalectl.training.loop" in loaded
    assert not loaded & trackers.TRACKERS.keys()


def test_the_error_names_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ScalectlError, match="or the path of a journal"):
        Mirror("optuna", "nope://x", Store(tmp_path / "run"), "run", pytest.fail)
