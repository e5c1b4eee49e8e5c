from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pytest

from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import select, summarise
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.scaling import NAMED, Shares
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import Design, Proxy
from scalectl.trial import Candidate, DataCard, Record, State, Trial

CARD = DataCard(
    name="simulated", classes=16, native=72, flip=False, note="", sizes={}, digests={}
)  # fmt: skip
CANDIDATES = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 72).candidates


def simulate(truth: Callable[[Shares], float], noise: float, seed: int) -> list[Record]:
    random = np.random.default_rng(seed)
    return [
        record(candidate, block, truth(candidate.shares) + block / 100 + random.normal(0, noise))
        for candidate in CANDIDATES
        if candidate.shares
        for block in range(3)
    ]


def record(candidate: Candidate, seed: int, top1: float, state: State = State.DONE) -> Record:
    trial = Trial(baseline=B0, candidate=candidate, recipe=Proxy().recipe, data=CARD, seed=seed)
    return Record(trial=trial, state=state, top1=top1, loss=1.0, train_top1=top1)


def hill(shares: Shares) -> float:
    return 0.8 - 0.3 * ((shares.depth - 0.3) ** 2 + (shares.width - 0.3) ** 2)


def test_a_clear_optimum_is_found() -> None:
    """Near the top of a hill, with noise far below its height."""
    selection = select(simulate(hill, 0.001, 0), Preference())
    assert selection.status == "identified"
    assert selection.optimum is not None
    assert selection.optimum.depth == pytest.approx(0.3, abs=0.06)
    assert selection.winner is not None
    assert selection.recommended == selection.winner.candidate.coefficients


def test_noise_has_no_winner() -> None:
    """A flat surface is called not identified, nearly always."""
    found = [select(simulate(lambda _: 0.7, 0.01, seed), Preference()) for seed in range(40)]
    flat = [one for one in found if one.status == "not_identified"]
    assert len(flat) >= 34
    assert all(one.winner is None for one in flat)
    assert sum(one.recommended == NAMED["dwr"] for one in flat) >= 34


def test_the_fit_equals_the_normal_equations() -> None:
    """Written down independently, with dummy blocks instead of blocks that sum to zero."""
    records = simulate(hill, 0.01, 1)
    rows, y = [], []
    for one in records:
        shares = one.trial.candidate.shares
        assert shares is not None
        d, w, r = shares.depth, shares.width, shares.resolution
        excess = np.log2(one.trial.candidate.realised_ratio / 2)
        blocks = [float(one.trial.seed == 1), float(one.trial.seed == 2)]
        rows.append([d, w, r, d * w, d * r, w * r, *blocks, excess])
        y.append(one.top1)
    x, target = np.array(rows), np.array(y, float)
    beta = np.linalg.solve(x.T @ x, x.T @ target)
    residual = ((target - x @ beta) ** 2).sum()
    fit = select(records, Preference()).fit
    assert fit is not None
    assert fit.order == "quadratic"
    assert fit.residual_sd == pytest.approx((residual / (len(y) - x.shape[1])) ** 0.5)


def test_what_did_not_finish_never_ranks() -> None:
    """A diverged trial is counted as failed; its number is not used."""
    records = simulate(hill, 0.001, 0)
    broken = replace(records[0], state=State.DIVERGED, top1=None)
    first = summarise([broken, *records[1:]])[0]
    assert (first.n, first.failed) == (2, 1)
    assert select([broken], Preference()).status == "no_eligible_winner"


def test_too_few_candidates_are_not_identified() -> None:
    """With the best so far shown beside it."""
    few = [one for one in simulate(hill, 0.001, 0) if one.trial.candidate.control == "dwr"]
    selection = select(few, Preference())
    assert selection.status == "not_identified"
    assert selection.argmax is not None


@pytest.mark.parametrize("by", ["activations", "latency", "closeness"])
def test_the_winner_is_chosen_by_what_is_preferred(by: str) -> None:
    """Of the same set: the fewest activations, the fastest, the closest to dwr."""
    latencies = {one.fingerprint: 1.0 + number for number, one in enumerate(CANDIDATES[::-1])}
    records = simulate(peak, 0.001, 0)
    preference = Preference(by=by, delta=0.02)  # type: ignore[arg-type]
    selection = select(records, preference, latencies)
    assert selection.winner
    assert selection.indifference
    level = max(place.top1 for place in selection.surface) - selection.indifference.margin
    trained = [one.candidate for one in summarise(records)]
    # Blocks lift them all by .01 on average.
    members = [one for one in trained if one.shares and peak(one.shares) + 0.01 > level]
    assert len(members) >= 3

    def measure(candidate: Candidate) -> float:
        assert candidate.shares
        return {  # type: ignore[no-any-return]
            "activations": candidate.cost.activations,
            "latency": latencies[candidate.fingerprint],
            "closeness": sum((one - 1 / 3) ** 2 for one in astuple(candidate.shares)),
        }[by]

    assert selection.winner.candidate == min(members, key=measure)


def peak(shares: Shares) -> float:
    return 0.8 - 0.2 * ((shares.depth - 0.2) ** 2 + (shares.width - 0.6) ** 2)


def test_what_is_not_identified_says_how_many_seeds_would_do() -> None:
    """A hill in noise: more seeds do identify it. A plain does not need them."""
    found = [select(simulate(hill, 0.05, seed), Preference()) for seed in range(12)]
    unclear = [one for one in found if one.seeds_needed]
    assert len(unclear) >= 3
    for one in unclear:
        assert one.status == "not_identified"
        assert one.seeds_needed is not None
        assert 3 < one.seeds_needed <= 48
        assert f"about {one.seeds_needed} seeds" in one.reason
    flat = select(simulate(lambda _: 0.7, 0.0001, 3), Preference())
    assert flat.seeds_needed is None
    assert "matters little" in flat.reason


def test_dwr_is_not_recommended_where_it_loses_too_much() -> None:
    """A slope in much noise: too much of the triangle is left, but its middle is no good guess."""

    def slope(shares: Shares) -> float:
        return 0.7 + 0.02 * shares.resolution

    found = [select(simulate(slope, 0.012, seed), Preference()) for seed in range(40)]
    guessed = [
        one for one in found if one.status == "not_identified" and "best guess" in one.reason
    ]
    assert guessed
    assert all(one.recommended.shares.resolution > 1 / 3 for one in guessed)


def test_chances_add_up_and_belong_to_the_best() -> None:
    selection = select(simulate(hill, 0.004, 1), Preference())
    assert sum(selection.chances.values()) == pytest.approx(1)
    leader = max(selection.chances, key=lambda name: selection.chances[name])
    (best,) = (one for one in CANDIDATES if one.fingerprint == leader)
    assert best.shares
    assert hill(best.shares) > 0.78
    assert {place.indifferent for place in selection.surface} == {True, False}
