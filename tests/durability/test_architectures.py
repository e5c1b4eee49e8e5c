"""A search of architectures, killed, shared and divided: the same proposals, the same table."""

import json
import re
import shlex
import shutil
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
from scalectl.search import latencies
from scalectl.search.architectures import proposals
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.plan import make_architecture_plan
from scalectl.search.architectures.results import read_architecture_results
from scalectl.search.config import load_settings
from scalectl.store.reader import read_run
from scalectl.store.writer import Store

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
    assert "is reported alone" in ask("report", "run", "--require", "identified")[1]
    assert "is reported alone" in ask("report", "run", "run")[1]
    assert "has the tables stages" in ask("report", "run", "--table", "ranking")[1]


def test_a_page_and_figures_of_a_run(
    reference: Path, server: CommandServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command on the page is the one to type: here the baseline won, and more is trained."""
    folder = tmp_path / "copy"
    shutil.copytree(reference, folder)
    monkeypatch.chdir(folder)
    arguments = ["report", "run", "--html", "page.html", "--figures", "figures"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].startswith("Winner: net, ")
    assert "The page is in page.html" in result.stderr
    assert "No figure confirmation: Nothing was confirmed yet" in result.stderr
    assert Path("figures/front-dark.svg").exists()
    (command,) = re.findall(r"<code>scalectl (.+?)</code>", Path("page.html").read_text())
    assert command == "nas run/nas.toml -o run --trials 12"
    before = len(json.loads(table(folder / "run"))["records"])
    assert server.run(shlex.split(command), folder) == 0
    assert len(json.loads(table(folder / "run"))["records"]) > before
    refused = CliRunner().invoke(main, ["report", "run", "--html", "missing/page.html"])
    assert refused.exit_code == 2
    assert "cannot be written" in refused.stderr


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


def search_by_latency_in(folder: Path, run: str = "run") -> list[str]:
    """The same search, by the time that one image takes on this machine."""
    return [*search_in(folder, run), "--latency", "1ms", "--device", "cpu"]


@pytest.fixture(scope="module")
def timed(server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by latency that nothing happened to."""
    folder = tmp_path_factory.mktemp("timed")
    assert server.run(search_by_latency_in(folder), folder) == 0
    return folder


def propose_again(run: Path) -> set[str]:
    """The trials that the stored records and latencies lead to."""
    results = read_architecture_results(run)
    config = load_settings(ArchitectureConfig, run / ArchitectureConfig.FILE)
    plan = make_architecture_plan(config, results.start)
    records = {record.trial.id: record for record in results.records}
    seconds = latencies.read(run)
    rounds = proposals.rounds(plan, lambda: records, lambda _: seconds)
    return {trial.id for trials in rounds for trial in trials}


def list_trained(run: Path) -> set[str]:
    records = read_architecture_results(run).records
    return {record.trial.id for record in records if record.trial.purpose == "nas"}


def test_a_search_by_latency_is_a_function_of_what_is_stored(timed: Path) -> None:
    """Each network has its latency, by which it is ranked; the command finds nothing left to do."""
    run = timed / "run"
    content = (run / "latencies.json").read_bytes()
    results = read_architecture_results(run)
    assert propose_again(run) == list_trained(run)
    assert len(results.networks) == len(list_trained(run)) == 10
    assert results.unmeasured == 0
    for network in results.networks:
        assert network.seconds == latencies.read(run)[network.architecture.fingerprint]
        assert network.score == pytest.approx(network.top1 * (network.seconds / 0.001) ** -0.07)
    entries = json.loads(content)["networks"].values()
    assert {(entry["device"], entry["runs"]) for entry in entries} == {("cpu", 30)}


def test_a_killed_search_by_latency_proposes_the_same(
    timed: Path, server: CommandServer, tmp_path: Path
) -> None:
    """With the latencies of an undisturbed search, none of which is measured again."""

    def arrange(folder: Path) -> list[str]:
        arguments = search_by_latency_in(folder)
        if not (folder / "run").exists():
            (folder / "run").mkdir()
            shutil.copy(timed / "run" / "latencies.json", folder / "run")
        return arguments

    calls, undisturbed = range(60, 2000, 240), table(timed / "run")
    assert count_kills(server, arrange, calls, tmp_path, undisturbed) >= 2
    kept = (timed / "run" / "latencies.json").read_bytes()
    for number in calls:
        path = tmp_path / str(number) / "run" / "latencies.json"
        assert not path.exists() or path.read_bytes() == kept


def test_what_was_measured_before_a_kill_stays(server: CommandServer, tmp_path: Path) -> None:
    """Killed wherever it writes, also while it measures."""
    measured = set()
    for number in range(120, 800, 220):
        folder = tmp_path / str(number)
        arguments = search_by_latency_in(folder)
        if server.run(arguments, folder, fault=("kill", number)) == 0:
            break
        before = latencies.read(folder / "run")
        measured.add(len(before))
        assert server.run(arguments, folder) == 0
        after = latencies.read(folder / "run")
        assert before.items() <= after.items()
        assert propose_again(folder / "run") == list_trained(folder / "run")
    assert len(measured) >= 2


def test_commands_search_by_latency_together(server: CommandServer, tmp_path: Path) -> None:
    """Both go on with the latency that was stored first: no trial is trained by one alone."""
    arguments = search_by_latency_in(tmp_path)
    running = [server.start(arguments, tmp_path) for _ in range(2)]
    assert [server.wait(process) for process in running] == [0, 0]
    run = tmp_path / "run"
    assert propose_again(run) == list_trained(run)
    confirmed = len(read_architecture_results(run).records) - len(list_trained(run))
    trained = (tmp_path / "epochs").read_text().count("epoch")
    assert trained == 2 * (len(list_trained(run)) + confirmed)


def test_a_report_shows_latency_where_it_was_sought(
    timed: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(timed)

    def ask(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    text = ask("report", "run", "--all")
    assert "Front of accuracy and latency" in text
    sought = "the median for one image at full size on cpu; the target is 1 ms."
    assert f"Latency, in place of MACs: {sought}" in " ".join(text.split())
    document = json.loads(ask("report", "run", "--json"))
    validate("nas", document)
    seconds = latencies.read(timed / "run")
    times = [network["milliseconds"] for network in document["networks"]]
    assert sorted(times) == pytest.approx(sorted(1000 * taken for taken in seconds.values()))
    front = [(network["milliseconds"], network["top1"]) for network in document["front"]]
    assert front == sorted(front)
    unsteady = latencies.count_unsteady(timed / "run")
    assert document["unsteady"] == unsteady
    assert (f"Unsteady: {unsteady} of the medians" in text) == bool(unsteady)
    assert document["objective"]["latency"] == 0.001
    assert document["objective"]["latency_on"] == "cpu"
    first = ask("report", "run", "--table", "front", "--format", "csv").splitlines()[0]
    assert first == "name,proposer,macs,milliseconds,top1,score"
    other = json.loads(ask("report", str(reference / "run"), "--json"))
    assert {network["milliseconds"] for network in other["networks"]} == {None}
    assert "latency" not in ask("report", str(reference / "run"), "--all").lower()


def test_records_in_a_file_need_their_latencies(timed: Path, tmp_path: Path) -> None:
    """As they are committed: one file with all records, and what decided beside it."""
    merged = tmp_path / "all.parquet"
    store = Store(tmp_path / "copy")
    store.add(read_architecture_results(timed / "run").records)
    shutil.copy(next((tmp_path / "copy" / "compact").iterdir()), merged)
    shutil.copy(timed / "run" / "nas.toml", merged.with_suffix(".toml"))
    result = CliRunner().invoke(main, ["report", str(merged)])
    assert result.exit_code == 2
    assert "has no all.latencies.json beside it. Copy latencies.json" in " ".join(
        result.stderr.split()
    )
    shutil.copy(timed / "run" / "latencies.json", tmp_path / "all.latencies.json")
    result = CliRunner().invoke(main, ["report", str(merged), "--json"])
    assert result.exit_code == 0, result.stderr
    expected = json.loads(table(timed / "run"))
    assert json.loads(result.stdout)["networks"] == expected["networks"]


def test_networks_without_latency_are_left_out_and_counted(timed: Path, tmp_path: Path) -> None:
    """As in a run that was stopped before it measured; the same command measures what is missing."""
    run = tmp_path / "run"
    shutil.copytree(timed / "run", run)
    (run / "latencies.json").unlink()
    result = CliRunner().invoke(main, ["report", str(run)])
    assert result.exit_code == 0, result.stderr
    text = " ".join(result.stdout.split())
    assert "NO WINNER. 0 trainings failed." in text
    assert "their latency is not measured yet: 10 of the trained networks" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--macs", "1M"], "--latency takes the place of --macs"),
        (["--set", "objective.macs=1e6"], ""),
        (["--shard", "1/2"], "--shard does not go with latency"),
        (["--latency", "2ms"], "objective.latency is 0.001 there and 0.002 here"),
        (["--latency", "0ms"], "is not a time above 0, such as 12ms"),
        (["--latency", "12"], "is not a time above 0, such as 12ms"),
        (["--latency-on", "gpu"], "is not one of 'cpu', 'cuda'"),
        (["--device", "mps"], "say --latency-on cpu"),
    ],
)
def test_contradictions_are_refused(
    timed: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(timed)
    result = CliRunner().invoke(main, [*search_by_latency_in(timed), *options])
    assert result.exit_code == (2 if message else 0)
    assert message in " ".join(result.output.replace("│", " ").split())


def test_what_goes_with_latency_needs_a_target(
    timed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And runs by latency are not united."""
    monkeypatch.chdir(timed)
    result = CliRunner().invoke(main, [*search_in(timed, "other"), "--latency-on", "cpu"])
    assert result.exit_code == 2
    assert "--latency-on goes with --latency" in result.output
    result = CliRunner().invoke(main, ["merge", "run", "-o", "both"])
    assert result.exit_code == 2
    assert "A search by latency is not merged" in result.output
    assert not (timed / "both").exists()


@pytest.mark.parametrize("name", ["nas.toml", "winner.json", "latencies.json"])
def test_damage_is_named_and_mended(
    timed: Path, server: CommandServer, tmp_path: Path, name: str
) -> None:
    """A single byte; the same command sets the file aside, and makes it again."""
    arguments = search_by_latency_in(tmp_path)
    shutil.copytree(timed / "run", tmp_path / "run")
    path = tmp_path / "run" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert result.exit_code == 3
    assert name in result.stderr
    assert server.run(arguments, tmp_path) == 0
    assert f"the first is {name}" in (tmp_path / "stderr").read_text()
    results = read_architecture_results(tmp_path / "run")
    assert not results.damaged
    assert results.unmeasured == 0
    if name != "latencies.json":
        assert table(tmp_path / "run") == table(timed / "run")
