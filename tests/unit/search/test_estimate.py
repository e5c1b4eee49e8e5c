from dataclasses import replace
from pathlib import Path

import pytest

from scalectl.arch.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.executors import make_executor
from scalectl.search.config import load_config
from scalectl.search.estimate import Speed, choose_networks, fit_rates, probe
from scalectl.search.plan import Plan, make_plan

KNOWN = Speed(jobs=2, start=0.5, rates=(1e-9, 2e-8, 1e-4), drawing=0.001)


def test_rates_are_found_again() -> None:
    """To the last digits, where costs are what the model says."""
    plan = make_plan(load_config(None), B0)
    sizes = [
        (candidate.cost.macs, candidate.cost.activations, candidate.architecture.depth)
        for candidate in choose_networks(plan.enumeration.candidates)
    ]
    seconds = [
        sum(rate * size for rate, size in zip(KNOWN.rates, row, strict=True)) for row in sizes
    ]
    assert fit_rates(sizes, seconds) == pytest.approx(KNOWN.rates)


def test_no_rate_is_negative() -> None:
    """Even where measurements say that more activations take less time."""
    rates = fit_rates([(1, 1, 1), (2, 1, 1), (2, 9, 1), (2, 9, 2)], [1.0, 2.0, 1.8, 1.9])
    assert all(rate >= 0 for rate in rates)
    assert rates[0] > 0


def test_the_probe_spans_the_plan() -> None:
    """Each predicted network lies between those that were measured."""
    candidates = make_plan(load_config(None), B0).enumeration.candidates
    chosen = choose_networks(candidates)
    assert len(chosen) == len({candidate.fingerprint for candidate in chosen}) <= 6
    for size in ("macs", "activations"):
        ends = [getattr(candidate.cost, size) for candidate in chosen]
        assert all(
            min(ends) <= getattr(candidate.cost, size) <= max(ends) for candidate in candidates
        )
    assert {"baseline", "depth", "resolution"} <= {candidate.control for candidate in chosen}


def test_an_estimate_is_the_sum_of_its_parts(tiny: Plan) -> None:
    """Images are rendered once for each resolution; trials start in order when a job is free."""
    first = tiny.trials[0]
    cost, blocks = first.candidate.cost, first.candidate.architecture.depth
    epoch = 32 * (1e-9 * cost.macs + 2e-8 * cost.activations + 1e-4 * blocks)
    trial = 0.5 + epoch * first.recipe.epochs
    assert KNOWN.predict(first) == pytest.approx(trial)
    drawn = 0.001 * (32 + 32) + trial
    again = replace(first, seed=1)
    assert KNOWN.estimate([first]) == pytest.approx(drawn)
    assert KNOWN.estimate([first, again]) == pytest.approx(drawn)
    assert KNOWN.estimate([first, again, again]) == pytest.approx(2 * trial)
    assert replace(KNOWN, jobs=1).estimate([first, again]) == pytest.approx(drawn + trial)
    assert KNOWN.estimate([]) == 0


@pytest.mark.parametrize("name", ["inline", "processes"])
def test_a_probe_measures_every_part(
    name: str, tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    executor = make_executor(name, 2)
    speed = probe(tiny, tiny.enumeration.candidates, executor, "cpu")
    assert speed.jobs == executor.jobs == {"inline": 1, "processes": 2}[name]
    assert speed.start >= 0
    assert min(speed.drawing, *map(speed.predict, tiny.trials)) > 0
    assert speed.estimate(tiny.trials) < speed.estimate([*tiny.trials, *tiny.trials])
    assert not list(tmp_path.glob("scalectl-*"))  # multiprocessing keeps a folder of its own


def test_a_probe_that_fails_says_why(tiny: Plan) -> None:
    with pytest.raises(ScalectlError, match=r"A training of the probe failed: RuntimeError: .+"):
        probe(tiny, tiny.enumeration.candidates, make_executor("inline", 1), "cuda:99")
