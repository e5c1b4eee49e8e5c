"""A search of architectures, killed, shared and divided: the same proposals, the same table."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from click.testing import CliRunner
from command_server import SMALL, CommandServer, count_kills, table
from factories import ROOT
from jsonschema import Draft202012Validator
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from scalectl.arch.architecture import Architecture
from scalectl.cli import main
from scalectl.store.reader import read_run

NET = """
[architecture]
resolution = 64
stem_width = 8
activation = "relu"

[[architecture.stages]]
block = "mbconv"
repeats = 2
width = 8
stride = 2
expansion = 3
"""


def search_in(folder: Path, run: str = "run") -> list[str]:
    """The arguments of a search of ten trainings and four of confirmation, in half a second."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.toml").write_text(NET)
    settings = [
        *(override for override in SMALL if override.startswith("proxy.")),
        *("startup=3", "batch=2", "confirm_seeds=2"),
    ]
    return [
        *("nas", "-o", run, "--baseline", "net.toml", "--executor", "inline", "--trials", "6"),
        *("--sampler", "tpe", "--sampler", "random"),
        *(part for setting in settings for part in ("--set", setting)),
    ]


@pytest.fixture(scope="module")
def reference(server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("reference")
    assert server.run(search_in(folder), folder) == 0
    return folder


def test_a_killed_search_proposes_the_same(reference: Path, server: CommandServer, tmp_path: Path) -> None:  # fmt: skip
    """Killed at some of its writes, and run again."""
    calls, undisturbed = range(60, 2000, 120), table(reference / "run")
    assert count_kills(server, search_in, calls, tmp_path, undisturbed) >= 3


def test_commands_search_together(reference: Path, server: CommandServer, tmp_path: Path) -> None:
    """Every trial is trained once."""
    arguments = search_in(tmp_path)
    running = [server.start(arguments, tmp_path) for _ in range(2)]
    assert [server.wait(process) for process in running] == [0, 0]
    assert table(tmp_path / "run") == table(reference / "run")
    epochs = [(folder / "epochs").read_text().count("epoch") for folder in (reference, tmp_path)]
    assert epochs[0] == epochs[1]


def test_shards_propose_the_same(
    reference: Path, server: CommandServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trains its share of a round; merged, they go on, and the last command confirms."""
    monkeypatch.chdir(tmp_path)
    arguments = search_in(tmp_path, "one")
    for _ in range(9):
        for number, name in enumerate(("one", "two"), 1):
            shard = [*search_in(tmp_path, name), "--shard", f"{number}/2"]
            assert server.run(shard, tmp_path) == 0
        for target, other in (("one", "two"), ("two", "one")):
            merged = CliRunner().invoke(main, ["merge", target, other, "-o", target])
            assert merged.exit_code == 0, merged.stderr
        if (tmp_path / "one" / "winner.json").exists():
            break
    said = (tmp_path / "stdout").read_text()
    assert "What comes next rests on" in said
    assert server.run(arguments, tmp_path) == 0
    after, expected = (json.loads(table(run)) for run in (tmp_path / "one", reference / "run"))
    after["run"] = expected["run"]
    assert after == expected


def test_events_are_lines_of_json(reference: Path, server: CommandServer, tmp_path: Path) -> None:
    """The document of --json is the last; each is as the published schema says. Of a shard too."""

    def follow(*more: str) -> list[dict[str, Any]]:
        assert server.run([*search_in(tmp_path), "--events", *more], tmp_path) == 0
        said = (tmp_path / "stdout").read_text()
        (tmp_path / "stdout").unlink()
        *lines, document = map(json.loads, said.splitlines())
        for line in lines:
            validate("event", line)
        return [*lines, document]

    *shared, document = follow("--shard", "1/2")
    assert [line["event"] for line in shared][-1] == "waiting"
    assert document["others"] == shared[-1]["others"] == 1
    *lines, document = follow()
    validate("nas", document)
    names = [line["event"] for line in lines]
    assert (names[0], names[-1]) == ("begun", "concluded")
    assert {name: document[name] for name in ("winner", "front")} == {
        name: json.loads(table(reference / "run"))[name] for name in ("winner", "front")
    }


def validate(name: str, document: object) -> None:
    """Compare a document with its definition in the published schema."""
    schema = json.loads((ROOT / "docs" / "schema.json").read_text())
    Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]}).validate(document)


def test_a_time_is_planned_for_and_kept(server: CommandServer, tmp_path: Path) -> None:
    """As many networks as fit, by a probe; run again, the plan is that of before."""
    at = search_in(tmp_path).index("--trials")
    arguments = [*search_in(tmp_path)[:at], *search_in(tmp_path)[at + 2 :], "--time-budget", "90s"]
    assert server.run([*arguments, "--trials", "4", "--dry-run"], tmp_path) == 0
    assert not (tmp_path / "run").exists()
    said = (tmp_path / "stdout").read_text()
    assert "Choices for each stage" in said
    assert "net: 648 combinations. At most" in said
    assert "It takes about" in said
    for _ in range(2):
        assert server.run([*arguments, "--trials", "4"], tmp_path) == 0
    heard = (tmp_path / "stderr").read_text()
    assert "4 networks of each sampler: about" in heard
    assert "4 networks of each sampler, as run was planned for the same time." in heard


def test_trackers_show_what_each_stage_is_made_of(server: CommandServer, tmp_path: Path) -> None:
    """Each trial once, also when the command is run again."""
    arguments = [*search_in(tmp_path), "--log", "optuna:trials.log", "--log", "tensorboard"]
    for _ in range(2):
        assert server.run(arguments, tmp_path) == 0
    assert "failed:" not in (tmp_path / "stderr").read_text()
    records = {record.trial.id: record for record in read_run(tmp_path / "run").records}
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "trials.log")))
    shown = optuna.load_study(study_name=None, storage=storage).trials
    assert sorted(trial.user_attrs["trial_id"] for trial in shown) == sorted(records)
    for trial in shown:
        record = records[trial.user_attrs["trial_id"]]
        assert isinstance(record.trial.baseline, Architecture)
        (stage,) = record.trial.baseline.stages
        assert trial.value == record.top1
        assert trial.params["stage1.kernel"] == stage.kernel
        assert trial.params["stage1.block"] == stage.block
        assert trial.params["stage1.width"] == stage.width
    names = [path.name for path in (tmp_path / "run" / "tensorboard").iterdir()]
    assert len(names) == len(records)
    assert sum(name.startswith("nas tpe net_") for name in names) == 3


def test_the_winner_is_a_baseline(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For scale and grid; the run itself has no coefficients, and neither kind continues the other."""
    monkeypatch.chdir(reference)

    def ask(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, arguments)
        return result.exit_code, result.stdout if result.exit_code == 0 else result.output

    document = json.loads(ask("report", "run", "--json")[1])
    validate("nas", document)
    code, text = ask("scale", "--baseline", "run", "--phi", "1", "--coefficients", "dwr", "--json")
    assert code == 0, text
    size = json.loads(text)["sizes"][0]
    assert size["name"].startswith(document["winner"]["name"])
    assert ask("grid", "--baseline", "run", "--dry-run", "--no-probe", "--json")[0] == 0
    assert "is a run of nas" in ask("scale", "--from", "run", "--phi", "1")[1]
    assert "scalectl nas made it" in ask("grid", "-o", "run")[1]
    assert "is reported alone" in ask("report", "run", "--html", "page.html")[1]
    assert "has the tables stages" in ask("report", "run", "--table", "ranking")[1]


def test_a_report_shows_all_of_it(reference: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(reference / "run"), "--all"])
    assert result.exit_code == 0, result.output
    for words in (
        "Stages of net",
        "Front of accuracy",
        "Who proposed what",
        "What each choice did",
    ):
        assert words in result.stdout
