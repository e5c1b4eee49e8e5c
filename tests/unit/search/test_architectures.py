"""What samplers propose, what wins, and what confirms it; nothing is trained."""

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from factories import TINY

from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.factory import Baseline, cost_of
from scalectl.errors import ScalectlError
from scalectl.search.architectures import proposals
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.estimate import choose_plan, recall_plan
from scalectl.search.architectures.plan import (
    ArchitecturePlan,
    Weigh,
    count_macs,
    make_architecture_plan,
    rate,
)
from scalectl.search.architectures.results import plan_confirmation, rank
from scalectl.search.config import dump_config, load_settings
from scalectl.search.resume import claim, compare_configs
from scalectl.store.reader import ReadResult
from scalectl.trial import Record, State, Trial

SMALL = (*(setting for setting in TINY if setting.startswith("proxy.")), "startup=5", "batch=2")


def make_plan(*settings: str) -> ArchitecturePlan:
    return make_architecture_plan(load_settings(ArchitectureConfig, None, [*SMALL, *settings]), B0)


def invent(trial: Trial) -> Record:
    """A record whose top-1 is a function of the network."""
    top1 = random.Random(trial.id).uniform(0.5, 0.7)
    return Record(trial=trial, state=State.DONE, top1=top1, loss=1.0)


def invent_seconds(networks: Sequence[Baseline]) -> dict[str, float]:
    """Between 1 and 16 ms, by a hash of the network."""
    return {
        name: 0.001 * 2 ** (hashlib.sha256(name.encode()).digest()[0] / 64)
        for name in (network.fingerprint for network in networks)
    }


def play(
    plan: ArchitecturePlan, known: dict[str, Record], weigh: Weigh = count_macs
) -> list[list[Trial]]:
    """The rounds; `known` holds what was trained before, and then all of it."""
    asked = []
    for trials in proposals.rounds(plan, lambda: known, weigh):
        asked.append(list(trials))
        for trial in trials:
            known.setdefault(trial.id, invent(trial))
    return asked


def list_ids(rounds: list[list[Trial]]) -> list[list[str]]:
    return [[trial.id for trial in trials] for trials in rounds]


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_the_first_networks_are_known_before_anything_is_trained(sampler: str) -> None:
    """The baseline, and what every sampler starts with."""
    plan = make_plan("trials=9", f'samplers=["{sampler}"]')
    first = [trial.id for trial in proposals.list_first(plan)]
    assert first == [trial.id for trials in play(plan, {})[:2] for trial in trials]
    assert len(first) == 1 + plan.config.startup


def test_as_many_networks_as_fit_into_a_time() -> None:
    """Where each trial takes a second; what is trained already takes none."""
    plan = make_plan("planned_for=40", "confirm_seeds=4", 'samplers=["tpe", "random"]')
    fitting, seconds = choose_plan(plan, ReadResult(), len, 100)
    assert proposals.at_most(fitting.config) + 3 * 4 == seconds == 40
    assert fitting.config.trials == (40 - 12 - 1 - 5) // 2 + 5
    ended = tuple(invent(trial) for trials in play(make_plan("trials=9"), {}) for trial in trials)
    later, _ = choose_plan(plan, ReadResult(ended), len, 100)
    assert later.config.trials == fitting.config.trials + len(ended) // 2
    assert choose_plan(plan, ReadResult(), len, 7)[0].config.trials == 7
    with pytest.raises(ScalectlError, match=r"One network and its confirmation take about 54 s"):
        choose_plan(plan, ReadResult(), lambda trials: 4.0 * len(trials) - 2, 7)


def test_a_run_keeps_the_plan_of_its_time(tmp_path: Path) -> None:
    plan = make_plan("planned_for=40", "trials=33")
    claim(plan, tmp_path / "run")
    again = recall_plan(make_plan("planned_for=40"), tmp_path / "run", ReadResult())
    assert again == plan
    assert recall_plan(make_plan("planned_for=41"), tmp_path / "run", ReadResult()) is None
    assert recall_plan(plan, tmp_path / "elsewhere", ReadResult()) is None


SAMPLERS = ['samplers=["tpe"]', 'samplers=["nsga2"]', 'samplers=["random", "tpe"]']


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", ["product", "pareto"])
@pytest.mark.parametrize("weigh", [count_macs, invent_seconds])
def test_proposals_are_a_function_of_the_records(sampler: str, kind: str, weigh: Weigh) -> None:
    """Whatever else is there, in whatever order: a search goes on as if it had never stopped."""
    latency = 0.004 if weigh is invent_seconds else 0
    plan = make_plan("trials=9", sampler, f"objective.kind={kind}", f"objective.latency={latency}")
    records: dict[str, Record] = {}
    expected = play(plan, records, weigh)
    trained = [trial for trials in expected for trial in trials]
    assert len({trial.id for trial in trained}) <= proposals.at_most(plan.config)
    assert [trial.candidate.control for trial in trained][:6] == ["start", *["random"] * 5]
    turned = dict(reversed(records.items()))
    stranger = replace(trained[0], seed=99)
    known = {**turned, stranger.id: invent(stranger)}
    assert list_ids(play(plan, known, weigh)) == list_ids(expected)
    part = dict(list(records.items())[:7])
    assert list_ids(play(plan, part, weigh)) == list_ids(expected)


def test_all_samplers_start_with_the_same_networks_and_then_part() -> None:
    """So they are trained once; and each has its share of trials."""
    names = ("tpe", "nsga2", "random")
    alone = {
        name: [
            trial
            for trials in play(make_plan("trials=9", f'samplers=["{name}"]'), {})
            for trial in trials
        ]
        for name in names
    }
    starts = {tuple(trial.id for trial in trials[:6]) for trials in alone.values()}
    assert len(starts) == 1
    assert {len(trials) for trials in alone.values()} == {10}
    rest = [{trial.id for trial in trials[6:]} for trials in alone.values()]
    assert all(not first & second for first, second in combinations(rest, 2))
    together = make_plan("trials=9", 'samplers=["tpe", "nsga2", "random"]')
    asked = {trial.id for trials in play(together, {}) for trial in trials}
    assert len(asked) == proposals.at_most(together.config) == 1 + 5 + 3 * 4


def test_more_trials_go_on_where_fewer_ended() -> None:
    fewer, more = (
        [trial.id for trials in play(make_plan(f"trials={trials}"), {}) for trial in trials]
        for trials in (8, 12)
    )
    assert more[: len(fewer)] == fewer
    assert len(more) == 13


def test_failures_end_no_search() -> None:
    plan = make_plan("trials=7")
    known: dict[str, Record] = {}
    for trials in proposals.rounds(plan, lambda: known, count_macs):
        for trial in trials:
            known[trial.id] = Record(trial=trial, state=State.KILLED, error="as invented")
    assert len(known) == 8
    assert rank(known.values(), plan.config, B0, {}) == ()


def test_the_objective_is_that_of_mnasnet() -> None:
    """Accuracy at the target itself; and twice the MACs cost 4.7 % of it."""
    config = load_settings(ArchitectureConfig, None, ["objective.macs=4e8"])
    assert rate(0.75, 400_000_000, config, B0) == 0.75
    assert rate(0.75, 800_000_000, config, B0) == pytest.approx(0.75 * 2**-0.07)
    assert rate(0.75, cost_of(B0).macs, ArchitectureConfig(), B0) == 0.75


def test_the_objective_may_be_latency() -> None:
    """At the target accuracy itself; what is twice as slow loses as much as with twice the MACs."""
    config = load_settings(ArchitectureConfig, None, ["objective.latency=0.012"])
    assert rate(0.75, 0.012, config, B0) == 0.75
    assert rate(0.75, 0.024, config, B0) == pytest.approx(0.75 * 2**-0.07)


@pytest.mark.parametrize("kind", ["product", "pareto"])
def test_samplers_are_told_the_latency(kind: str) -> None:
    """Other latencies of the same networks lead elsewhere; those of failed ones are not asked for."""
    settings = ("trials=15", 'samplers=["nsga2"]', "objective.latency=0.004")
    plan = make_plan(*settings, f"objective.kind={kind}", "objective.exponent=-5")
    asked: list[str] = []

    def turn(networks: Sequence[Baseline]) -> dict[str, float]:
        asked.extend(network.fingerprint for network in networks)
        return {name: 2e-5 / taken for name, taken in invent_seconds(networks).items()}

    first, second = (play(plan, {}, weigh) for weigh in (invent_seconds, turn))
    assert list_ids(first)[:2] == list_ids(second)[:2]
    assert list_ids(first) != list_ids(second)
    trained = {trial.baseline.fingerprint for trials in second for trial in trials}
    assert trained <= set(asked)
    broken = {
        trial.id: Record(trial=trial, state=State.KILLED, error="as invented")
        for trial in second[1]
    }
    failed = {record.trial.baseline.fingerprint for record in broken.values()}
    asked.clear()
    play(plan, broken, turn)
    assert asked
    assert not failed & set(asked)


def test_networks_are_ranked_by_latency() -> None:
    """The front is of accuracy and latency; what was not measured is left out."""
    plan = make_plan("trials=5", "objective.latency=0.004", "objective.exponent=-1")
    records: dict[str, Record] = {}
    play(plan, records, invent_seconds)
    seconds = invent_seconds([record.trial.baseline for record in records.values()])
    networks = rank(records.values(), plan.config, B0, seconds)
    scores = [
        network.top1 * 0.004 / seconds[network.architecture.fingerprint] for network in networks
    ]
    assert [network.score for network in networks] == pytest.approx(scores)
    assert scores == sorted(scores, reverse=True)
    assert [network.cost for network in networks] == [network.seconds for network in networks]
    gone = networks[0].architecture.fingerprint
    del seconds[gone]
    assert rank(records.values(), plan.config, B0, seconds) == networks[1:]
    assert plan_confirmation(plan.config, networks).keys() == {"winner", "start"}


def test_the_winner_is_confirmed_at_equal_macs() -> None:
    """Against the baseline and the best random network, each as wide as gives the winner's MACs."""
    plan = make_plan("trials=9", "confirm_seeds=2", "proxy.width=0.5", "proxy.resolution=32")
    records: dict[str, Record] = {}
    play(plan, records)
    best = next(name for name, record in records.items() if record.trial.candidate.control == "tpe")
    records[best] = replace(records[best], top1=0.9)
    networks = rank(records.values(), plan.config, B0, {})
    assert networks[0].record.trial.id == best
    planned = plan_confirmation(plan.config, networks)
    assert planned.keys() == {"winner", "start", "random"}
    for name, trials in planned.items():
        assert [(trial.purpose, trial.seed) for trial in trials] == [
            ("confirm", 1000),
            ("confirm", 1001),
        ]
        assert abs(math.log2(trials[0].candidate.realised_ratio)) < 0.07, name
    assert (
        planned["winner"][0].candidate.architecture
        == networks[0].record.trial.candidate.architecture
    )


def test_a_baseline_that_wins_needs_no_confirmation() -> None:
    plan = make_plan("trials=5")
    records: dict[str, Record] = {}
    play(plan, records)
    start = plan.trials[0].id
    records[start] = replace(records[start], top1=0.99)
    assert plan_confirmation(plan.config, rank(records.values(), plan.config, B0, {})) == {}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("space.kernel=[4]", "space.kernel"),
        ("space.kernal=[3]", "did you mean space.kernel"),
        ("space.block=[]", "space.block"),
        ('samplers=["gp"]', "samplers"),
        ("objective.exponent=1", "objective.exponent"),
        ("objective.latency=-1", "objective.latency"),
        ("objective.latency=12ms", "objective.latency"),
        ("objective.latency_on=tpu", "objective.latency_on"),
    ],
)
def test_nonsense_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ScalectlError, match=message):
        load_settings(ArchitectureConfig, None, [setting])


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """And another space is another search, while more trials are the same."""
    config = load_settings(ArchitectureConfig, None, ["space.kernel=[3, 7]", "trials=9"])
    path = tmp_path / "space.toml"
    path.write_text(dump_config(config))
    assert load_settings(ArchitectureConfig, path) == config
    compare_configs(tmp_path, replace(config, trials=10), config)
    with pytest.raises(ScalectlError, match="startup is 20 there and 4 here"):
        compare_configs(tmp_path, replace(config, startup=4), config)
