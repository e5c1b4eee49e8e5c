"""A search of architectures, killed, shared and divided: the same proposals, the same table."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_server import SMALL, CommandServer, count_kills, table
from factories import ROOT
from jsonschema import Draft202012Validator

from scalectl.cli import main

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


def test_the_winner_is_a_baseline(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For scale and grid; the run itself has no coefficients, and neither kind continues the other."""
    monkeypatch.chdir(reference)

    def ask(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, arguments)
        return result.exit_code, result.stdout if result.exit_code == 0 else result.output

    document = json.loads(ask("report", "run", "--json")[1])
    schema = json.loads((ROOT / "docs" / "schema.json").read_text())
    Draft202012Validator({**schema, "anyOf": [{"$ref": "#/$defs/nas"}]}).validate(document)
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
