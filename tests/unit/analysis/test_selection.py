from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pytest
from factories import CANDIDATES, WORTH, hill, simulate

from scalectl.analysis.evidence import say_amount
from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import select
from scalectl.analysis.summaries import summarise
from scalectl.arch.scaling import NAMED, Shares
from scalectl.trial import Candidate, State

PREFERENCE = Preference(delta=0.002)


@pytest.mark.parametrize("response", ["log_loss", "top1"])
def test_a_clear_optimum_is_found(response: str) -> None:
    """The best of the networks, and the top of the surface, with noise far below its height."""
    preference = Preference(delta=0.002, response=response)  # type: ignore[arg-type]
    selection = select(simulate(hill, 0.001, 0), preference)
    assert selection.status == "identified"
    assert selection.optimum is not None
    assert selection.optimum.depth == pytest.approx(0.3, abs=0.06)
    assert selection.winner is not None
    assert selection.recommended == selection.winner.candidate.coefficients
    assert loss_of(selection.winner.candidate) <= 0.002
    assert selection.evidence is not None
    assert selection.evidence.unit == "top1"
    assert selection.evidence.worth is not None
    worth = {"log_loss": WORTH, "top1": 1.0}[response]
    assert selection.evidence.worth.slope == pytest.approx(worth, rel=0.02)


def loss_of(candidate: Candidate, truth: Callable[[Shares], float] = hill) -> float:
    """What a candidate loses against the best of all."""
    return max(truth(each.shares) for each in CANDIDATES if each.shares) - (
        truth(candidate.shares) if candidate.shares else 0.0
    )


def test_stated_regret_is_not_exceeded() -> None:
    """The 95 % bound holds in nearly all searches, and the expectation on average."""
    selections = [select(simulate(hill, 0.01, seed), PREFERENCE) for seed in range(40)]
    standings = [selection.standing for selection in selections]
    real = [loss_of(each.summary.candidate) for each in standings if each]
    bounds = [each.bound for each in standings if each]
    assert len(real) == 40
    assert sum(loss <= bound for loss, bound in zip(real, bounds, strict=True)) >= 37
    expected = np.mean([each.regret for each in standings if each])
    assert np.mean(real) <= 1.5 * expected


def test_noise_has_no_winner() -> None:
    """Networks that do not differ are not identified, and nothing is recommended for being safe."""
    selections = [select(simulate(lambda _: 0.7, 0.01, seed), PREFERENCE) for seed in range(40)]
    assert sum(selection.status == "not_identified" for selection in selections) >= 38
    assert all(
        selection.winner is None for selection in selections if selection.status == "not_identified"
    )
    assert any("do not tell the networks apart" in selection.reason for selection in selections)


def test_what_is_ruled_out_is_behind_by_more_than_delta() -> None:
    """Hardly anything where all networks are equal, much where few are good, and never the choice."""
    flat = [select(simulate(lambda _: 0.7, 0.01, seed), PREFERENCE) for seed in range(40)]
    marks = [each.is_ruled_out for selection in flat for each in selection.standings]
    assert np.mean(marks) <= 0.05
    for seed in range(10):
        selection = select(simulate(hill, 0.002, seed), PREFERENCE)
        ruled_out = [each for each in selection.standings if each.is_ruled_out]
        assert len(ruled_out) >= 5
        assert selection.standing not in ruled_out
        assert all(each.behind[1] > PREFERENCE.delta for each in ruled_out)
        assert all(loss_of(each.summary.candidate) > PREFERENCE.delta for each in ruled_out)


def test_what_the_data_speak_against_is_not_recommended() -> None:
    """A corner is better than dwr by far more than the noise."""

    def slope(shares: Shares) -> float:
        return 0.7 + 0.02 * shares.resolution

    for seed in range(10):
        selection = select(simulate(slope, 0.005, seed), PREFERENCE)
        assert selection.recommended != NAMED["dwr"]
        assert selection.recommended.shares.resolution > 1 / 3


def test_what_did_not_finish_never_ranks() -> None:
    """A diverged trial is counted as failed; its number is not used."""
    records = simulate(hill, 0.001, 0)
    broken = replace(records[0], state=State.DIVERGED, top1=None)
    first = summarise([broken, *records[1:]])[0]
    assert (first.n, first.failed) == (2, 1)
    assert select([broken], PREFERENCE).status == "no_eligible_winner"


def test_one_network_and_one_seed_decide_nothing() -> None:
    """With the best so far shown beside it."""
    few = [record for record in simulate(hill, 0.001, 0) if record.trial.candidate.control == "dwr"]
    selection = select(few, PREFERENCE)
    assert selection.status == "not_identified"
    assert selection.argmax is not None
    once = select(simulate(hill, 0.0001, 0, seeds=1), PREFERENCE)
    assert once.status == "not_identified"
    assert once.standings == ()
    assert "more seeds" in once.reason


@pytest.mark.parametrize("by", ["activations", "latency", "closeness"])
def test_what_is_preferred_decides_among_equals(by: str) -> None:
    """Of those whose expected regret is within delta / 4: the fewest activations, the fastest ..."""
    latencies = {
        candidate.fingerprint: 1.0 + number for number, candidate in enumerate(CANDIDATES[::-1])
    }
    records = simulate(hill, 0.0005, 0)
    preference = Preference(by=by, delta=0.3)  # type: ignore[arg-type]
    selection = select(records, preference, latencies)
    assert selection.winner
    best = selection.standings[0].regret
    members = [
        standing.summary.candidate
        for standing in selection.standings
        if standing.regret <= best + 0.075
    ]
    assert len(members) >= 3

    def measure(candidate: Candidate) -> float:
        assert candidate.shares
        return {  # type: ignore[no-any-return]
            "activations": candidate.cost.activations,
            "latency": latencies[candidate.fingerprint],
            "closeness": sum((share - 1 / 3) ** 2 for share in astuple(candidate.shares)),
        }[by]

    assert selection.winner.candidate == min(members, key=measure)


def test_what_is_not_identified_says_how_many_trainings_may_do() -> None:
    """The more noise, the more; and three times as many do identify it, more often than not."""

    def count_needed(noise: float) -> float:
        selections = [select(simulate(hill, noise, seed), PREFERENCE) for seed in range(12)]
        needed = [each.trainings_needed for each in selections if each.trainings_needed]
        assert len(needed) >= 6
        return float(np.median(needed))

    assert 12 < count_needed(0.005) < count_needed(0.012)
    selection = select(simulate(hill, 0.012, 0), PREFERENCE)
    assert f"about {selection.trainings_needed} more trainings" in selection.reason
    seeds = 3 + round(3 * count_needed(0.005) / 12)
    after = [select(simulate(hill, 0.005, seed, seeds), PREFERENCE) for seed in range(8)]
    assert sum(selection.status == "identified" for selection in after) >= 5


def test_chances_and_intervals_belong_together() -> None:
    selection = select(simulate(hill, 0.004, 1), PREFERENCE)
    standings = selection.standings
    assert sum(standing.chance_best for standing in standings) == pytest.approx(1)
    leader = max(standings, key=lambda standing: standing.chance_best)
    assert loss_of(leader.summary.candidate) < 0.02
    for standing in standings:
        middle, low, high = standing.behind
        assert low <= middle <= high
        assert standing.regret <= standing.bound or standing.bound == 0
    assert selection.standing
    assert selection.standing.behind == (0, 0, 0)
    assert {place.is_open for place in selection.surface} == {True, False}
    assert max(place.height for place in selection.surface) == 0


def test_amounts_are_said_in_their_unit() -> None:
    """In points of top-1 where these trainings show what log-loss is worth in it."""
    known = select(simulate(hill, 0.002, 0), PREFERENCE).evidence
    unknown = select(simulate(lambda _: 0.7, 0.01, 0), PREFERENCE).evidence
    assert known
    assert unknown
    assert say_amount(0.0021, known) == "0.21 points of top-1"
    assert unknown.unit == "log_loss"
    assert say_amount(0.013, unknown) == "1.3 % of the log-loss"
