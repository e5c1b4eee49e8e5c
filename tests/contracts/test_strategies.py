import random
from collections.abc import Callable, Sequence

import pytest

from scalectl.arch.baselines.efficientnet import B0
from scalectl.search.config import load_config
from scalectl.search.plan import Plan, count_macs, make_plan
from scalectl.search.strategies import STRATEGIES, StrategyModule, find_strategy
from scalectl.trial import Record, State, Trial

SETTINGS = {
    "adaptive": ("seeds=5",),
    "all": ("strategy.kind=all", "seeds=2"),
    "optuna, gp": ("strategy.kind=optuna", "strategy.points=6", "strategy.batch=4", "seeds=2"),
    "optuna, tpe": ("strategy.kind=optuna", "strategy.sampler=tpe", "seeds=2"),
}


@pytest.fixture(scope="module", params=SETTINGS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return make_plan(load_config(None, SETTINGS[request.param]), B0)


def invent(trial: Trial) -> Record:
    """A result on a surface that is highest at shares of (.1, .55, .35), with noise of its own."""
    shares = trial.candidate.shares
    away = 0.5
    if shares:
        away = (shares.depth - 0.1) ** 2 + (shares.width - 0.55) ** 2
    top1 = 0.8 - 0.1 * away + random.Random(trial.id).gauss(0, 0.003)
    return Record(trial=trial, state=State.DONE, top1=top1, loss=5 * (1 - top1))


def find(plan: Plan) -> StrategyModule:
    return find_strategy(plan.config.strategy.kind)


def fail(trial: Trial) -> Record:
    return Record(trial=trial, state=State.ERROR, error="as invented")


def play(
    plan: Plan, known: dict[str, Record], run: Callable[[Trial], Record] = invent, most: int = 10**6
) -> list[Sequence[Trial]]:
    """The rounds, of which the first `most` trials that are not known are run, in an odd order."""
    asked = []
    for trials in find(plan).rounds(plan, lambda: dict(reversed(known.items()))):
        asked.append(trials)
        for trial in sorted(trials, key=lambda trial: trial.id):
            if trial.id not in known:
                if most == 0:
                    return asked
                most -= 1
                known[trial.id] = run(trial)
    return asked


def list_ids(rounds: Sequence[Sequence[Trial]]) -> list[list[str]]:
    return [[trial.id for trial in trials] for trials in rounds]


def test_every_strategy_is_tested() -> None:
    assert {name.split(",")[0] for name in SETTINGS} == set(STRATEGIES)


def test_it_decides_by_its_own_records_alone(plan: Plan) -> None:
    """Whatever else is in the run, in whichever order; and it goes on from any moment."""
    expected = play(plan, {})
    strangers = [trial for trials in expected for trial in trials]
    for stop in (1, len(strangers) // 2, len(strangers) - 1):
        known = {f"x{trial.id}": invent(trial) for trial in strangers}
        before = play(plan, known, most=stop)
        assert list_ids(before) == list_ids(expected)[: len(before)]
        assert list_ids(play(plan, known)) == list_ids(expected)
    everything = {trial.id: invent(trial) for trial in strangers}
    assert list_ids(play(plan, everything, fail)) == list_ids(expected)


def test_it_ends_though_everything_fails(plan: Plan) -> None:
    trials = [trial for trials in play(plan, {}, fail) for trial in trials]
    assert 0 < len(trials) <= len(find(plan).at_most(plan))


def test_nothing_is_trained_twice_nor_more_than_was_said(plan: Plan) -> None:
    trials = [trial for trials in play(plan, {}) for trial in trials]
    assert len({trial.id for trial in trials}) == len(trials)
    bound = find(plan).at_most(plan)
    assert len(trials) <= len(bound)
    tolerance = 2**plan.config.design.max_deviation  # of networks that nobody knows yet
    assert count_macs(trials) <= count_macs(bound) * tolerance


def test_the_controls_are_trained_with_two_seeds(plan: Plan) -> None:
    """And the baseline among them."""
    expected = {trial.id for trial in plan.trials if trial.candidate.control and trial.seed < 2}
    assert expected <= {trial.id for trials in play(plan, {}) for trial in trials}
