from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from scalectl import calibration, search
from scalectl.baselines.efficientnet import B0
from scalectl.calibration import Calibration, calibrate, choose, fit, schedule
from scalectl.documents import load_grid
from scalectl.errors import ScalectlError
from scalectl.executors import Group, Workspace, make_executor
from scalectl.grid import Resources
from scalectl.search import Plan
from scalectl.trial import News, Progress, Record, State

KNOWN = Calibration(
    jobs=2,
    boot=3.0,
    start=0.5,
    rates=(1e-9, 2e-8, 1e-4),
    tail=0.25,
    opening=1.0,
    drawing=0.001,
)


@pytest.mark.parametrize(
    ("seconds", "jobs", "expected"),
    [
        ([], 2, 0),
        ([1, 2, 3], 1, 6),
        ([1, 2, 3], 5, 3),
        ([3, 1, 1, 1], 2, 3),
        ([1, 1, 1, 3], 2, 4),
    ],
)
def test_trials_start_in_order_when_there_is_room(
    seconds: list[float], jobs: int, expected: float
) -> None:
    assert schedule(seconds, jobs) == expected


def test_rates_are_found_again() -> None:
    """To the last digits, where costs are what the model says."""
    plan = search.plan(load_grid(None), B0)
    sizes = [
        (one.cost.macs, one.cost.activations, one.architecture.depth)
        for one in choose(plan.enumeration.candidates)
    ]
    seconds = [
        sum(rate * size for rate, size in zip(KNOWN.rates, row, strict=True)) for row in sizes
    ]
    assert fit(sizes, seconds) == pytest.approx(KNOWN.rates)


def test_no_rate_is_negative() -> None:
    """Even where measurements say that more activations take less time."""
    rates = fit([(1, 1, 1), (2, 1, 1), (2, 9, 1), (2, 9, 2)], [1.0, 2.0, 1.8, 1.9])
    assert all(rate >= 0 for rate in rates)
    assert rates[0] > 0


def test_the_probe_spans_the_plan() -> None:
    """Each predicted network lies between those that were measured."""
    candidates = search.plan(load_grid(None), B0).enumeration.candidates
    chosen = choose(candidates)
    assert len(chosen) == len({one.fingerprint for one in chosen}) <= 6
    for size in ("macs", "activations"):
        ends = [getattr(one.cost, size) for one in chosen]
        assert all(min(ends) <= getattr(one.cost, size) <= max(ends) for one in candidates)
    assert {"baseline", "depth", "resolution"} <= {one.control for one in chosen}


def test_an_estimate_is_the_sum_of_its_parts(tiny: Plan) -> None:
    """Loading counts once for each resolution, and the boot once."""
    first = tiny.trials[0]
    cost, blocks = first.candidate.cost, first.candidate.architecture.depth
    epoch = 32 * (1e-9 * cost.macs + 2e-8 * cost.activations + 1e-4 * blocks)
    trial = 0.5 + epoch * 2.25
    assert KNOWN.predict(first) == pytest.approx(trial)
    load = 2 * 1.0 + 0.001 * (32 + 32)
    again = replace(first, seed=1)
    assert KNOWN.estimate([first]) == pytest.approx(3 + load + trial)
    assert KNOWN.estimate([first, again]) == pytest.approx(3 + load + trial)
    assert replace(KNOWN, jobs=1).estimate([first, again]) == pytest.approx(3 + load + 2 * trial)
    assert KNOWN.estimate([]) == 0


@pytest.mark.parametrize("name", ["inline", "processes"])
def test_a_probe_measures_every_part(
    name: str, tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    executor = make_executor(name, 2)
    found = calibrate(tiny, executor, "cpu")
    assert found.jobs == executor.jobs == {"inline": 1, "processes": 2}[name]
    assert min(found.boot, found.start, found.opening) >= 0
    assert min(found.tail, found.drawing, *map(found.predict, tiny.trials)) > 0
    assert found.estimate(tiny.trials) < found.estimate([*tiny.trials, *tiny.trials])
    assert not list(tmp_path.glob("scalectl-*"))  # multiprocessing keeps a folder of its own


class OfASlowGpu:
    """Each epoch takes eight seconds of `clock`, of however many seeds."""

    jobs = 1

    def __init__(self) -> None:
        self.clock = 0.0
        self.seeds = set[int]()

    def run(self, groups: Iterable[Group], _workspace: Workspace) -> Generator[News, None, None]:
        for group in groups:
            self.seeds.add(len({trial.seed for trial in group}))
            for epoch in (1, 2):
                self.clock += 8
                for trial in group:
                    yield Progress(trial=trial, epoch=epoch, train_loss=1, loss=1, top1=0.5)
            for trial in group:
                yield Record(trial=trial, state=State.DONE, top1=0.5)


def test_seeds_that_are_trained_together_are_probed_together(
    tiny: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is predicted is the part of each."""

    def predict(seeds: int, seeds_per_step: int) -> float:
        executor = OfASlowGpu()
        clock = SimpleNamespace(monotonic=lambda: executor.clock)
        monkeypatch.setattr(calibration, "time", clock)
        grid = replace(tiny.grid, seeds=seeds, resources=Resources(seeds_per_step=seeds_per_step))
        found = calibrate(replace(tiny, grid=grid), executor, "cpu")
        assert executor.seeds == {min(seeds, seeds_per_step)}
        return found.predict(tiny.trials[0])

    alone = predict(4, 1)
    assert alone > 8
    assert predict(4, 4) == pytest.approx(alone / 4)
    assert predict(2, 4) == pytest.approx(alone / 2)


def test_a_probe_that_fails_says_why(tiny: Plan) -> None:
    with pytest.raises(ScalectlError, match=r"A training of the probe failed: RuntimeError: .+"):
        calibrate(tiny, make_executor("inline", 1), "cuda:99")
