"""What every tracker shows of a search, read back by its own library, offline."""

import json
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from command_server import TRIALS, CommandServer, search_in

from scalectl.cli import main
from scalectl.search import trackers
from scalectl.search.plan import Plan
from scalectl.search.trackers.mirror import Mirror
from scalectl.store import atomic
from scalectl.store.reader import read_run
from scalectl.store.writer import Store
from scalectl.trial import Record, State

# Of their own internals and of each other's.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

Shown = dict[tuple[str, str], dict[str, Any]]
"""Trial and state -> "settings", "scores", and "curves" as (epoch, value)."""


def read_tensorboard(folder: Path) -> Iterator[dict[str, Any]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    for path in (folder / "run" / "tensorboard").iterdir():
        events = EventAccumulator(str(path)).Reload()
        scalars = {
            tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
        start = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        settings = HParamsPluginData.FromString(start).session_start_info.hparams
        yield {
            "settings": {
                key: getattr(value, value.WhichOneof("kind")) for key, value in settings.items()
            },
            "scores": {
                tag.removeprefix("end/"): points[0][1]
                for tag, points in scalars.items()
                if tag.startswith("end/")
            },
            "curves": {tag: points for tag, points in scalars.items() if tag.startswith("epoch/")},
        }


def read_mlflow(folder: Path) -> Iterator[dict[str, Any]]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = (each for each in client.search_experiments() if each.name != "Default")
    for run in client.search_runs([experiment.experiment_id]):
        done = run.data.params["state"] == "done"
        assert run.info.status == ("FINISHED" if done else "FAILED")
        names = run.data.metrics
        yield {
            "settings": run.data.params,
            "scores": {name: names[name] for name in names if "/" not in name},
            "curves": {
                name: [
                    (point.step, point.value)
                    for point in client.get_metric_history(run.info.run_id, name)
                ]
                for name in names
                if "/" in name
            },
        }


def read_wandb(folder: Path) -> Iterator[dict[str, Any]]:
    from wandb.proto.wandb_internal_pb2 import Record as Entry

    for path in (folder / "run" / "wandb").glob("offline-run-*/run-*.wandb"):
        content, position, entries = path.read_bytes(), 7, []
        assert len(content) < 2**15  # one block of LevelDB's log format
        while position < len(content):
            (length,) = struct.unpack_from("<H", content, position + 4)
            entries.append(Entry.FromString(content[position + 7 : position + 7 + length]))
            position += 7 + length
        curves: dict[str, list[tuple[int, float]]] = {}
        settings: dict[str, Any] = {}
        scores: dict[str, float] = {}
        for entry in entries:
            settings |= {item.key: json.loads(item.value_json) for item in entry.run.config.update}
            for item in entry.summary.update:
                key = item.key or ".".join(item.nested_key)
                if not key.startswith(("_", "epoch/")):
                    scores[key] = json.loads(item.value_json)
            for item in entry.history.item:
                key = item.key or ".".join(item.nested_key)
                if key.startswith("epoch/"):
                    value = json.loads(item.value_json)
                    curves.setdefault(key, []).append((entry.history.step.num, value))
        yield {"settings": settings, "scores": scores, "curves": curves}


READERS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    "tensorboard": read_tensorboard,
    "mlflow": read_mlflow,
    "wandb": read_wandb,
}


def read(kind: str, folder: Path) -> Shown:
    shown = list(READERS[kind](folder))
    by_trial = {(run["settings"]["trial_id"], run["settings"]["state"]): run for run in shown}
    assert len(by_trial) == len(shown), "a trial is there twice"
    return by_trial


def open_mirror(kind: str, folder: Path, warn: Callable[[str], None] = pytest.fail) -> Mirror:
    where = f"sqlite:///{folder / 'mlflow.db'}" if kind == "mlflow" else ""
    return Mirror(kind, where, Store(folder / "run"), "run-1a2b3c4d", warn)


@pytest.fixture(params=READERS)
def kind(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture
def ended(tiny: Plan) -> tuple[Record, Record, Record]:
    """A trial that stalled, how it ended, and another one."""
    done = Record(
        trial=tiny.trials[0],
        state=State.DONE,
        top1=0.5,
        loss=1.5,
        curve=(2.0, 1.5),
        top1_curve=(0.25, 0.5),
        train_curve=(2.5, 1.75),
        seconds=3.0,
        macs_spent=10**9,
    )
    stalled = Record(trial=done.trial, state=State.STALLED, error="it took no step")
    return stalled, done, replace(done, trial=tiny.trials[1])


def test_each_trial_is_shown_once_and_whole(
    kind: str, ended: tuple[Record, ...], tmp_path: Path
) -> None:
    """Coefficients, costs, curves, scores and state; also those that ended before, and added again."""
    stalled, done, other = ended
    Store(tmp_path / "run").write(stalled)
    for _ in range(2):
        open_mirror(kind, tmp_path).add([done, other])
    shown = read(kind, tmp_path)
    assert shown.keys() == {(record.trial.id, str(record.state)) for record in ended}
    assert not any(shown[done.trial.id, "stalled"]["curves"].values())
    for record in (done, other):
        run = shown[record.trial.id, "done"]
        assert run["curves"] == {
            "epoch/loss": [(1, 2.0), (2, 1.5)],
            "epoch/top1": [(1, 0.25), (2, 0.5)],
            "epoch/train_loss": [(1, 2.5), (2, 1.75)],
        }
        assert run["scores"] == trackers.describe_scores(record)
        settings = {key: str(value) for key, value in run["settings"].items()}
        candidate = record.trial.candidate
        expected = asdict(candidate.coefficients) if candidate.shares else {}
        expected |= asdict(candidate.cost) | {"seed": record.trial.seed}
        for key, value in expected.items():
            assert float(settings[key]) == value
        assert settings["control"] == candidate.control


def test_what_a_kill_cuts_off_is_completed(
    kind: str, ended: tuple[Record, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next command, once."""
    open_mirror(kind, tmp_path)
    if kind == "mlflow":
        from mlflow import MlflowClient

        cut: tuple[Any, str] = (MlflowClient, "set_terminated")
    else:
        cut = (atomic, "publish")
    for record in ended[:2]:
        mirror = open_mirror(kind, tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(*cut, _stop)
            with pytest.raises(KeyboardInterrupt):
                mirror.add([record])
        open_mirror(kind, tmp_path).add([record])
    shown = read(kind, tmp_path)
    assert [len(points) for points in shown[ended[1].trial.id, "done"]["curves"].values()] == [
        2
    ] * 3
    assert len(shown) == 2


def _stop(*_arguments: object, **_settings: object) -> None:
    raise KeyboardInterrupt


def test_a_tracker_that_fails_is_done_without(
    kind: str, ended: tuple[Record, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said once; a later command adds what is missing."""
    said = list[str]()
    mirror = open_mirror(kind, tmp_path, said.append)
    with monkeypatch.context() as patch:
        patch.setattr(trackers.find_tracker(kind), "list_curves", _fail)
        for record in ended[1:]:
            mirror.add([record])
    (text,) = said
    assert text.startswith(f"Warning: {trackers.find_tracker(kind).TITLE} failed: no route. ")
    store = Store(tmp_path / "run")
    for record in ended[1:]:
        store.write(record)
    open_mirror(kind, tmp_path)
    assert len(read(kind, tmp_path)) == 2


def _fail(_record: Record) -> None:
    raise OSError("no route")


def test_searches_that_are_killed_and_share_the_work_show_each_trial_once(
    server: CommandServer, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    arguments = [*search_in(tmp_path), "--log", "tensorboard"]
    killed = server.start(arguments, tmp_path)
    shown = tmp_path / "run" / "tensorboard"
    while not shown.is_dir() or not any(shown.iterdir()):
        time.sleep(0.005)
    os.kill(killed, signal.SIGKILL)
    assert server.wait(killed) == -signal.SIGKILL
    running = [server.start(arguments, tmp_path) for _ in range(2)]
    assert [server.wait(process) for process in running] == [0, 0]
    records = {record.trial.id: record for record in read_run(tmp_path / "run").records}
    assert len(records) == TRIALS
    logged = read("tensorboard", tmp_path)
    assert {name for name, _ in logged} == records.keys()
    for (name, _), run in logged.items():
        for curve, values in trackers.list_curves(records[name]).items():
            assert [value for _, value in run["curves"][curve]] == pytest.approx(values)


def test_searches_of_several_runs_may_share_a_folder(
    ended: tuple[Record, ...], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    for name in ("a-1", "b-2"):
        store = Store(tmp_path / name)
        Mirror("tensorboard", str(tmp_path / "logs"), store, name, pytest.fail).add(ended[1:2])
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["a-1", "b-2"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("tensorbord", "'tensorbord' is none of tensorboard, mlflow, wandb, optuna; did you mean"),
        ("optuna", "The Optuna storage cannot be used: it is not said which."),
        ("mlflow:nowhere://x", "MLflow cannot be used: "),
        ("tensorboard:net.toml/x", "TensorBoard cannot be used: "),
    ],
)
def test_what_cannot_be_used_is_refused(
    log: str, said: str, server: CommandServer, tmp_path: Path
) -> None:
    """In one sentence, before anything is trained."""
    pytest.importorskip(log.partition(":")[0].replace("bord", "board"))
    assert server.run([*search_in(tmp_path), "--log", log], tmp_path) == 2
    assert said in (tmp_path / "stderr").read_text()
    assert read_run(tmp_path / "run").records == ()


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    result = CliRunner().invoke(main, ["grid", "--log", "wandb:mine"])
    assert result.exit_code == 2
    assert "--log wandb needs wandb, which is not installed; nothing was trained." in result.stderr
    assert 'python -m pip install "scalectl[wandb]"' in result.stderr
