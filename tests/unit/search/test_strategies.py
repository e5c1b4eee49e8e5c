"""Searches that are decided as they go, with real trainings."""

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import fmean

import pytest
from click.testing import CliRunner
from command_server import TRIALS, CommandServer, count_kills, search_in, table
from factories import TINY

from scalectl.arch.baselines.efficientnet import B0
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.report.prose import in_words
from scalectl.search import followups, resume
from scalectl.search.config import FRESH, load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.search.results import read_results
from scalectl.search.strategies import find_strategy
from scalectl.store.reader import read_run
from scalectl.store.writer import Store
from scalectl.trial import Record, State, Trial

DECIDED = {
    "adaptive": ("strategy.kind=adaptive", "strategy.batch=3", "seeds=3"),
    "optuna": ("strategy.kind=optuna", "strategy.points=2", "strategy.batch=1"),
}


def arguments_of(name: str, folder: Path) -> list[str]:
    settings = ("design.degree=3", "design.max_candidates=0", *DECIDED[name])
    return [*search_in(folder), *(part for setting in settings for part in ("--set", setting))]


@pytest.mark.parametrize(("name", "step"), [("adaptive", 150), ("optuna", 61)])
def test_a_killed_search_decides_the_same(name: str, step: int, server: CommandServer, tmp_path: Path) -> None:  # fmt: skip
    """Killed at some of its writes, and run again: the same trials, the same table."""
    reference = tmp_path / "reference"
    assert server.run(arguments_of(name, reference), reference) == 0
    calls, make_arguments = range(50, 1000, step), partial(arguments_of, name)
    kills = count_kills(server, make_arguments, calls, tmp_path, table(reference / "run"))
    assert kills >= 3


@pytest.mark.parametrize("name", DECIDED)
def test_commands_decide_together(name: str, server: CommandServer, tmp_path: Path) -> None:
    """Each the same, so that every trial is trained once."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert server.run(arguments_of(name, alone), alone) == 0
    arguments = arguments_of(name, together)
    running = [server.start(arguments, together) for _ in range(2)]
    assert [server.wait(process) for process in running] == [0, 0]
    assert table(together / "run") == table(alone / "run")
    epochs = [(folder / "epochs").read_text().count("epoch") for folder in (alone, together)]
    assert epochs[0] == epochs[1]


def test_real_commands_with_trials_in_processes_decide_the_same(server: CommandServer, tmp_path: Path) -> None:  # fmt: skip
    """Interrupted in the first round, killed after it, two trials at once: the table of one alone."""
    alone, other = tmp_path / "alone", tmp_path / "other"
    assert server.run(arguments_of("optuna", alone), alone) == 0
    settings = arguments_of("optuna", other)
    settings[settings.index("inline")] = "processes"
    command = [sys.executable, "-m", "scalectl", *settings, "--jobs", "2"]
    for number, records, code in ((signal.SIGINT, 1, 130), (signal.SIGKILL, TRIALS, -9)):
        with subprocess.Popen(command, cwd=other, stderr=subprocess.DEVNULL) as process:
            while len(list((other / "run" / "trials").glob("*.parquet"))) < records:
                time.sleep(0.002)
            process.send_signal(number)
        assert process.returncode == code
    assert len(read_run(other / "run").records) < len(read_run(alone / "run").records)
    subprocess.run(command, cwd=other, check=True, capture_output=True)
    assert table(other / "run") == table(alone / "run")


def test_a_round_is_over_before_the_next_is_decided(server: CommandServer, tmp_path: Path) -> None:
    """What failed is tried again at once; what failed too often is left behind."""
    arguments = arguments_of("optuna", tmp_path)
    assert server.run(arguments, tmp_path) == 0
    expected = table(tmp_path / "run")
    first, last = json.loads(expected)["records"][0]["trial_id"], tmp_path / "again"
    again = arguments_of("optuna", last)
    trial = next(
        record.trial for record in read_run(tmp_path / "run").records if record.trial.id == first
    )
    for failures, code in ((1, 0), (3, 6)):
        run = last / "run"
        store = Store(run)
        for path in (run / "trials").glob("*.parquet"):
            path.unlink()
        for _ in range(failures):
            store.write(Record(trial=trial, state=State.KILLED, error="as invented"))
        assert server.run(again, last) == code
        assert (table(run) == expected) == (code == 0)
    states = {record.trial.id: record.state for record in read_run(run).records}
    assert states.pop(first) is State.KILLED
    assert set(states.values()) == {State.DONE}


def test_a_damaged_record_is_not_decided_without(tiny: Plan, tmp_path: Path) -> None:
    """Its name says that the trial is over; the next command repairs it."""
    store = Store(tmp_path)
    done, damaged = tiny.trials[:2]
    store.write(Record(trial=done, state=State.DONE, top1=0.5))
    assert resume.read_over(store, 2).keys() == {done.id}
    (tmp_path / "trials" / f"{damaged.id}.parquet").write_bytes(b"junk")
    with pytest.raises(ScalectlError, match=f"record of trial {damaged.id} was damaged") as caught:
        resume.read_over(store, 2)
    assert caught.value.exit_code == 3


def test_an_adaptive_search_keeps_the_delta_that_it_decided_by(tmp_path: Path) -> None:
    """Where every network has every seed, another delta only reads the records in another way."""
    for kind in ("adaptive", "all"):
        before = load_config(None, (f"strategy.kind={kind}",))
        after = replace(before, select=replace(before.select, delta=0.01))
        refused = pytest.raises(ScalectlError, match=r"delta is 0\.005 there and 0\.01 here")
        with refused if kind == "adaptive" else nullcontext():
            resume.compare_configs(tmp_path, after, before)


def play(plan: Plan, top1: dict[str, float], noise: float = 1e-4) -> list[Sequence[Trial]]:
    """The rounds, where each network has the same top-1 with every seed, but for noise."""
    known: dict[str, Record] = {}
    asked = []
    for trials in find_strategy(plan.config.strategy.kind).rounds(plan, lambda: known):
        asked.append(trials)
        for trial in trials:
            score = top1.get(trial.candidate.fingerprint, 0.7)
            score += random.Random(trial.id).gauss(0, noise)
            loss = math.exp(-score / 0.2)
            known[trial.id] = Record(trial=trial, state=State.DONE, top1=score, loss=loss)
    return asked


def list_names(plan: Plan) -> list[str]:
    return [candidate.fingerprint for candidate in plan.enumeration.candidates[1:]]


def test_a_clear_search_ends_after_the_first_seeds() -> None:
    plan = make_plan(load_config(None, ["seeds=9", "design.degree=3"]), B0)
    top1 = {name: 0.7 + 0.01 * number for number, name in enumerate(list_names(plan))}
    (first,) = play(plan, top1)
    assert [trial.seed for trial in first] == [0] * 13 + [1] * 13


def test_further_seeds_go_to_what_may_be_the_best() -> None:
    """One new seed a round for a few networks, until the choice is sure or all is spent."""
    settings = ["seeds=9", "design.degree=3", "select.delta=0.002"]
    plan = make_plan(load_config(None, settings), B0)
    names = list_names(plan)
    top1 = dict.fromkeys(names, 0.7) | {names[3]: 0.72, names[7]: 0.7195}
    first, *rounds = play(plan, top1, noise=0.004)
    trained = [trial.candidate.fingerprint for trials in rounds for trial in trials]
    assert len(first) == 26
    assert [{trial.seed for trial in trials} for trials in rounds] == [
        {number} for number in range(2, len(rounds) + 2)
    ]
    assert all(1 <= len(trials) <= 4 for trials in rounds)
    assert trained.count(names[3]) + trained.count(names[7]) > 0.6 * len(trained)
    assert len(first) + len(trained) < 9 * 13


def test_an_undecided_search_spends_its_seeds_and_no_more() -> None:
    """And goes on where more are asked for, from where it was."""
    fewer, more = (
        play(
            make_plan(load_config(None, [f"seeds={seeds}", "design.degree=3"]), B0), {}, noise=0.02
        )
        for seeds in (3, 4)
    )
    ids = [[{trial.id for trial in trials} for trials in rounds] for rounds in (fewer, more)]
    assert sum(map(len, ids[0])) == 3 * 13
    assert sum(map(len, ids[1])) == 4 * 13
    assert ids[1][: len(ids[0]) - 1] == ids[0][:-1]
    assert ids[0][-1] <= ids[1][len(ids[0]) - 1]


@pytest.mark.parametrize("kind", ["adaptive", "all", "optuna"])
def test_another_first_seed_repeats_a_search_with_other_trainings(kind: str) -> None:
    """All of them, those of its confirmation too."""
    settings = ["seeds=3", "confirm.seeds=2", "fidelity.seeds=1", f"strategy.kind={kind}"]
    once, again = (
        make_plan(load_config(None, [*settings, f"first_seed={first}"]), B0) for first in (0, 40)
    )
    asked = [
        [*chain.from_iterable(play(plan, {}, noise=0.02)), *followups.expect(plan)]
        for plan in (once, again)
    ]
    for purpose, seed in {"search": 0, "confirm": FRESH, "fidelity": 0}.items():
        least = [
            min(trial.seed for trial in trials if trial.purpose == purpose) for trials in asked
        ]
        assert least == [seed, 40 + seed]
    assert not {trial.id for trial in asked[0]} & {trial.id for trial in asked[1]}


def test_old_brief_trainings_are_never_ranked(tiny: Plan, tmp_path: Path) -> None:
    """Stores of 0.1 may hold them; they are in the report as records, with what to think of them."""
    store = Store(tmp_path)
    trial = next(trial for trial in tiny.trials if trial.candidate.shares)
    brief = replace(trial, purpose="rung", recipe=replace(trial.recipe, epochs=1))
    assert brief.id != trial.id
    store.write(Record(trial=brief, state=State.DONE, top1=0.9))
    unfinished = read_results(tmp_path)
    assert unfinished.summaries == ()
    assert unfinished.selection.status == "no_eligible_winner"
    store.write(Record(trial=trial, state=State.DONE, top1=0.5))
    results = read_results(tmp_path)
    assert [record.trial for record in results.records] == [trial, brief]
    (summary,) = results.summaries
    assert summary.mean_top1 == 0.5
    assert "Note: Brief trainings decided" in in_words(results)


@pytest.mark.parametrize("sampler", ["gp", "tpe"])
def test_a_sampler_proposes_new_networks_at_equal_cost(sampler: str) -> None:
    """A batch of different ones; and more points go on where fewer ended."""
    settings = [
        "strategy.kind=optuna",
        f"strategy.sampler={sampler}",
        "strategy.batch=4",
        "seeds=2",
    ]
    fewer, more = (
        play(make_plan(load_config(None, [*settings, f"strategy.points={points}"]), B0), {})
        for points in (6, 9)
    )
    ids = [[{trial.id for trial in trials} for trials in rounds] for rounds in (fewer, more)]
    assert ids[0][:2] == ids[1][:2]
    assert ids[0][2] < ids[1][2]
    networks = {trial.candidate.fingerprint for trials in more for trial in trials}
    assert len(networks) == 7 + 9
    proposed = [trial.candidate for trials in more[1:] for trial in trials]
    assert all(abs(math.log2(candidate.realised_ratio) - 1) <= 0.07 for candidate in proposed)
    points = {
        (candidate.shares.depth, candidate.shares.width)
        for candidate in proposed
        if candidate.shares
    }
    assert len(points) == 9


def test_a_sampler_finds_the_best_of_a_surface() -> None:
    """Of which the controls say little: it is highest at shares of (.15, .45, .4)."""

    def height(trial: Trial) -> float:
        shares = trial.candidate.shares
        if shares is None:
            return 0.7
        return 0.8 - 0.2 * ((shares.depth - 0.15) ** 2 + (shares.width - 0.45) ** 2)

    settings = ["strategy.kind=optuna", "seeds=1", "strategy.points=12"]
    plan = make_plan(load_config(None, settings), B0)
    known: dict[str, Record] = {}
    heights: list[list[float]] = []
    for trials in find_strategy("optuna").rounds(plan, lambda: known):
        for trial in trials:
            known[trial.id] = Record(trial=trial, state=State.DONE, top1=height(trial))
        heights.append([height(trial) for trial in trials])
    assert max(max(block) for block in heights[1:]) > max(heights[0])
    assert fmean(max(block) for block in heights[1:]) > max(heights[0]) - 0.005


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["strategy.kind=random"], "strategy.kind"),
        (["strategy.points=0"], "strategy.points"),
        (["strategy.sampler=cmaes"], "strategy.sampler"),
        (["strategy.sorts=1"], "there is no key strategy.sorts"),
        (["strategy.kind=halving"], "strategy.kind"),
        (["strategy.prune=true"], "strategy.prune is no more"),
    ],
)
def test_nonsense_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(ScalectlError, match=message):
        load_config(None, settings)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ([], ["strategy.kind=all"], "strategy.kind is adaptive there and all here"),
        ([], ["seeds=2"], None),
        (["strategy.kind=optuna"], ["strategy.kind=optuna", "seeds=2"], "seeds is 1 there and 2"),
        (["strategy.kind=optuna"], ["strategy.kind=optuna", "strategy.points=50"], None),
    ],
)
def test_another_strategy_is_another_search(
    before: list[str], after: list[str], difference: str | None, tmp_path: Path
) -> None:
    """More seeds too, where points are chosen by means over seeds; more points are not."""
    resume.claim(make_plan(load_config(None, [*TINY, *before]), B0), tmp_path)
    other = make_plan(load_config(None, [*TINY, *after]), B0)
    if difference is None:
        resume.claim(other, tmp_path)
        return
    with pytest.raises(ScalectlError, match=difference):
        resume.claim(other, tmp_path)


def test_a_dry_run_says_at_most() -> None:
    def ask(*settings: str) -> str:
        arguments = [part for setting in settings for part in ("--set", setting)]
        result = CliRunner().invoke(main, ["grid", "--dry-run", "--no-probe", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert ". At most 36 trials" in ask()
    assert ". 36 trials" in ask("strategy.kind=all")
    assert ". At most 38 trials" in ask("strategy.kind=optuna", "seeds=2")
