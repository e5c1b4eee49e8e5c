"""What follows a choice, planned and really trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_server import search_in
from factories import TINY

from scalectl.analysis.confirmation import confirm
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.cli import main
from scalectl.search import followups
from scalectl.search.config import FRESH, load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.store.reader import read_run
from scalectl.trial import Record, State

FOLLOW_UPS = ("confirm.seeds=2", "confirm.phis=[1.0, 2.0]", "fidelity.seeds=1")
SETTINGS = (*TINY, *FOLLOW_UPS)


def make(*settings: str) -> Plan:
    return make_plan(load_config(None, settings), B0)


def test_confirmation_takes_fresh_seeds_and_every_control() -> None:
    """At each size, all of them at the same compute; a size that images cannot carry is named."""
    wanted = make("proxy.train_images=32", "confirm.seeds=2", "confirm.phis=[1.0, 2.5]")
    trials, rejected = followups.confirm(wanted, Coefficients(1.1, 1.2, 1.124))
    seeds = {trial.seed for trial in trials}
    assert seeds == {FRESH, FRESH + 1}
    assert {trial.split for trial in trials} == {"test"}
    assert not {trial.id for trial in trials} & {trial.id for trial in wanted.trials}
    first = {trial.candidate.control for trial in trials if trial.candidate.phi == 1}
    assert first == {"", "dwr", "paper", "depth", "width", "resolution"}
    second = [trial.candidate for trial in trials if trial.candidate.phi == 2.5]
    assert {candidate.control for candidate in second} == {"", "dwr", "paper", "depth", "width"}
    assert all(2**2.5 * 0.94 < candidate.realised_ratio < 2**2.5 * 1.06 for candidate in second)
    assert [candidate.control for candidate in rejected] == ["resolution"]
    assert "above 72 px" in rejected[0].reason


def test_what_is_not_asked_for_is_not_reported_missing() -> None:
    """Even where the images could not carry it."""
    wanted = make("proxy.train_images=32", "confirm.phis=[2.5]")
    assert followups.confirm(wanted, NAMED["dwr"]) == ((), ())


def test_a_choice_that_grows_late_is_compared_with_the_uniform_one() -> None:
    """And with the controls; the records know which is which."""
    wanted = make(*SETTINGS, 'design.stages=["uniform", "late"]')
    chosen = Coefficients(1.5, 1.1, 1.05)
    trials, _ = followups.confirm(wanted, chosen, "late")
    names = {trial.candidate.name for trial in trials if trial.candidate.phi == 1}
    assert {f"{chosen}, late", "uniform", "depth", "dwr"} <= names
    done = [Record(trial=trial, state=State.DONE, top1=0.5, loss=1.0) for trial in trials]
    first, _ = confirm(done, chosen, "late")
    assert first.reference.stages == "late"
    assert "uniform" in [comparison.control.name for comparison in first.comparisons]


def test_a_chosen_control_is_itself() -> None:
    trials, _ = followups.confirm(make(*SETTINGS), NAMED["depth"])
    names = [trial.candidate.control for trial in trials if trial.candidate.phi == 1]
    assert names.count("depth") == 2
    assert "" not in names


def test_longer_trainings_take_the_seeds_of_the_search() -> None:
    longer = ("proxy.epochs=4", "fidelity.factor=3", "fidelity.seeds=1", "fidelity.points=9")
    wanted = make("proxy.train_images=32", "design.degree=3", *longer)
    trials = followups.train_longer(wanted, wanted.enumeration.candidates[1:])
    assert len(trials) == 9
    assert {trial.recipe.epochs for trial in trials} == {12}
    assert {trial.seed for trial in trials} == {0}
    assert {"depth", "width", "resolution"} <= {trial.candidate.control for trial in trials}


def test_grid_follows_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search, confirmation and longer trainings in one command; run again, it has nothing to do."""
    monkeypatch.chdir(tmp_path)
    line = [*search_in(tmp_path), "--json"]
    for setting in FOLLOW_UPS:
        line += ["--set", setting]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    stages = [record["stage"] for record in document["records"]]
    assert {"search", "confirm", "fidelity"} == set(stages)
    assert [confirmation["phi"] for confirmation in document["confirmations"]] == [1.0, 2.0]
    first = document["confirmations"][0]
    chosen = document["selection"]["recommended"]
    assert chosen == {name: first["reference"][name] for name in ("alpha", "beta", "gamma")}
    assert "2 seeds" in first["claim"]
    assert {len(comparison["differences"]) for comparison in first["comparisons"]} == {2}
    searched = [
        record for record in read_run(tmp_path / "run").records if record.trial.purpose == "search"
    ]
    assert sum(candidate["n"] for candidate in document["candidates"]) == len(searched)
    again = CliRunner().invoke(main, line)
    assert f"{len(stages) - len(searched)} of" in again.stderr
    assert json.loads(again.stdout) == document


def test_the_test_images_are_not_those_of_the_choice() -> None:
    """The same network, seed and recipe score differently on them, as another trial."""
    search = make(*SETTINGS).trials[0]
    fresh = replace(search, purpose="confirm")
    assert fresh.id != search.id
    assert replace(search, purpose="fidelity").id == search.id


def test_the_fastest_wins_where_latency_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every network is measured once; a run without measurements falls back to activations."""
    monkeypatch.chdir(tmp_path)
    run, line = tmp_path / "run", [*search_in(tmp_path), "--json", "--set", "select.by=latency"]
    first = json.loads(CliRunner().invoke(main, line).stdout)
    names = {candidate["fingerprint"] for candidate in first["candidates"]}
    assert first["latencies"].keys() == names
    assert all(seconds > 0 for seconds in first["latencies"].values())
    again = json.loads(CliRunner().invoke(main, line).stdout)
    assert again["latencies"] == first["latencies"]
    (run / "latencies.json").write_bytes(b"{}")
    report = CliRunner().invoke(main, ["report", str(run), "--json"])
    assert report.exit_code == 3
    assert "latencies.json" in report.stderr
    assert json.loads(report.stdout)["latencies"] == {}
    assert CliRunner().invoke(main, line).exit_code == 0
    assert json.loads(CliRunner().invoke(main, line).stdout)["latencies"].keys() == names
