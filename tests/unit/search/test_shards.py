"""Shards, and runs united (docs/promises.md, 4, 5)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from command_server import CommandServer, search_in, table
from factories import ROOT
from jsonschema import Draft202012Validator

from scalectl.arch.baselines.efficientnet import B0
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.search import resume, shards
from scalectl.search.config import load_config
from scalectl.search.merge import merge
from scalectl.search.plan import Plan, count_macs, make_plan
from scalectl.store.reader import read_run
from scalectl.store.writer import Store
from scalectl.trial import Record, State


def invoke(arguments: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(main, arguments)


def train_shards(server: CommandServer, folder: Path, of: int) -> list[str]:
    """Each in a folder of its own; their names."""
    names = [f"shard-{number}" for number in range(1, of + 1)]
    for number, name in enumerate(names, 1):
        arguments = search_in(folder)
        arguments[arguments.index("run")] = name
        assert server.run([*arguments, "--shard", f"{number}/{of}"], folder) == 0
    return names


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_have_each_trial_once(of: int) -> None:
    """As many of each block as the others, and neither all the small ones nor all the large ones."""
    plan = make_plan(load_config(None, ["seeds=3", "strategy.kind=all"]), B0)
    parts = [shards.take(plan, shards.Shard(number, of)).trials for number in range(1, of + 1)]
    assert sorted(trial.id for part in parts for trial in part) == sorted(
        trial.id for trial in plan.trials
    )
    for seed in range(3):
        sizes = [sum(trial.seed == seed for trial in part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    work = [count_macs(part) for part in parts]
    assert max(work) < 1.5 * min(work)


def test_merged_shards_are_the_whole_search(
    server: CommandServer, undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit; the same again changes nothing, and the command without --shard trains nothing."""
    names = train_shards(server, tmp_path, 3)
    said = (tmp_path / "stdout").read_text()
    assert "Shard 1/3: 2 of its 2 trials ended" in said
    assert "The other shards have 2." in said
    for _ in range(2):
        merged = invoke(["merge", *names, "-o", "run", "--json"], tmp_path, monkeypatch)
        assert merged.exit_code == 0, merged.stderr
        assert table(tmp_path / "run") == undisturbed
    assert json.loads(merged.stdout)["records"] == json.loads(merged.stdout)["repeated"] == 4
    assert json.loads(merged.stdout)["conflicts"] == []
    schema = json.loads((ROOT / "docs" / "schema.json").read_text())
    merge_alone = {**schema, "anyOf": [{"$ref": "#/$defs/merge"}]}
    Draft202012Validator(merge_alone).validate(json.loads(merged.stdout))
    before = (tmp_path / "epochs").read_text()
    assert server.run(search_in(tmp_path), tmp_path) == 0
    assert (tmp_path / "epochs").read_text() == before
    assert table(tmp_path / "run") == undisturbed


def test_what_is_missing_of_a_merged_search_is_trained(
    server: CommandServer, undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two shards of three: merge says what is missing, and the command does it."""
    names = train_shards(server, tmp_path, 3)
    merged = invoke(["merge", *names[:2], "-o", "run"], tmp_path, monkeypatch)
    assert "3 records of 2 runs are in run" in merged.stdout
    assert "3 of 4" in merged.stdout
    required = invoke(["report", "run", "--require", "identified"], tmp_path, monkeypatch)
    assert required.exit_code == 4
    assert ": scalectl grid run/grid.toml -o run" in required.stderr
    scaled = invoke(["scale", "--from", "run", "--phi", "1"], tmp_path, monkeypatch)
    assert "of run, UNFINISHED: 3 of 4 trials" in scaled.stderr
    assert server.run(search_in(tmp_path), tmp_path) == 0
    assert table(tmp_path / "run") == undisturbed


def test_the_first_wins_and_conflicts_are_named(tiny: Plan, tmp_path: Path) -> None:
    """How a trial ended goes before a failure, wherever it is."""
    kept, other = (resume.claim(tiny, tmp_path / name)[0] for name in ("one", "other"))
    first, second, third, fourth = tiny.trials[:4]
    kept.write(Record(trial=first, state=State.DONE, top1=0.5))
    other.write(Record(trial=first, state=State.DONE, top1=0.25, environment={"torch": "x"}))
    kept.write(Record(trial=second, state=State.STALLED))
    other.write(Record(trial=second, state=State.DONE, top1=0.5))
    for store in (kept, other):
        store.write(Record(trial=third, state=State.DONE, top1=0.5, seconds=len(store.folder.name)))
    other.write(Record(trial=fourth, state=State.KILLED, error="SIGKILL"))
    merged = merge([tmp_path / "one", tmp_path / "other"], tmp_path / "all")
    assert (merged.records, merged.repeated) == (4, 3)
    (conflict,) = merged.conflicts
    assert (conflict.kept.top1, conflict.other.top1) == (0.5, 0.25)
    assert (conflict.kept_in.name, conflict.other_in.name) == ("one", "other")
    records = {record.trial.id: record for record in read_run(tmp_path / "all").records}
    assert records[first.id].top1 == 0.5
    assert records[second.id].state is State.DONE
    assert records[fourth.id].state is State.KILLED
    assert Store(tmp_path / "all").list_settled(2) == {first.id, second.id, third.id}
    before = read_run(tmp_path / "all")
    merge([tmp_path / "other"], tmp_path / "all")
    assert read_run(tmp_path / "all") == before


def test_conflicts_are_said(tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, top1 in (("one", 0.5), ("other", 0.25)):
        store, _ = resume.claim(tiny, tmp_path / name)
        store.write(Record(trial=tiny.trials[0], state=State.DONE, top1=top1, loss=1.0))
    merged = invoke(["merge", "one", "other", "-o", "all"], tmp_path, monkeypatch)
    assert merged.exit_code == 0, merged.stderr
    assert "top-1 50.0000%, in one, which is kept" in merged.stderr
    assert "top-1 25.0000%, in other, though on the same kind of machine." in merged.stderr


def test_another_search_is_not_merged(tiny: Plan, tmp_path: Path) -> None:
    """And nothing is written."""
    other = replace(tiny, config=replace(tiny.config, proxy=replace(tiny.config.proxy, epochs=9)))
    resume.claim(tiny, tmp_path / "one")
    resume.claim(other, tmp_path / "other")
    with pytest.raises(ScalectlError, match=r"other holds another search: proxy\.epochs is 9"):
        merge([tmp_path / "one", tmp_path / "other"], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_damaged_records_are_left_out(
    tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named, and the rest is there."""
    store, _ = resume.claim(tiny, tmp_path / "one")
    for trial in tiny.trials[:2]:
        store.write(Record(trial=trial, state=State.DONE, top1=0.5, loss=1.0))
    (tmp_path / "one" / "trials" / f"{tiny.trials[0].id}.parquet").write_bytes(b"junk")
    merged = invoke(["merge", "one", "-o", "all"], tmp_path, monkeypatch)
    assert merged.exit_code == 3
    assert f"{tiny.trials[0].id}.parquet" in merged.stderr
    assert [record.trial.id for record in read_run(tmp_path / "all").records] == [tiny.trials[1].id]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["grid", "--shard", "4/3"], "'4/3' is not I/N with I from 1 to N"),
        (["grid", "--shard", "0/3"], "is not I/N"),
        (["grid", "--shard", "third"], "is not I/N"),
        (["grid", "--seeds", "2", "--shard", "1/900"], "there are only"),
        (["grid", "--shard", "1/2", "--time-budget", "1h"], "plans for one machine alone"),
        (["grid", "--shard", "1/2", "--set", "strategy.kind=optuna"], "knows its own results"),
        (["merge", "nothing", "-o", "all"], "There is no nothing."),
        (["merge", "file", "-o", "all"], "file is a file."),
        (["merge", "-o", "all"], "Missing argument"),
    ],
)
def test_bad_inputs(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    result = invoke(arguments, tmp_path, monkeypatch)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "all").exists()
    assert not (tmp_path / "runs").exists()
