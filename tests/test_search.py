from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from scalectl import search
from scalectl.baselines.efficientnet import B0
from scalectl.documents import load_grid
from scalectl.errors import ScalectlError
from scalectl.executors import Workspace, make_executor
from scalectl.search import Plan
from scalectl.store import Store
from scalectl.trial import Record, State


def test_a_search_goes_on_where_it_was(tiny: Plan, workspace: Workspace, tmp_path: Path) -> None:
    """What is stored is not trained again; what failed is."""
    store, executor = Store(tmp_path / "run"), make_executor("inline", 1)
    first = tiny.trials[0]
    store.write(Record(trial=first, state=State.KILLED, error="SIGKILL"))
    assert search.remaining(tiny, store) == list(tiny.trials)
    epochs_and_record = 3
    list(islice(search.search(list(tiny.trials), executor, workspace, store), epochs_and_record))
    assert search.remaining(tiny, store) == list(tiny.trials[1:])
    list(search.search(search.remaining(tiny, store), executor, workspace, store))
    assert search.remaining(tiny, store) == []
    assert {one.state for one in store.read().records} == {State.DONE}
    assert len(store.read().records) == len(tiny.trials)


def test_seeds_are_blocks() -> None:
    """Each trains every candidate once, in an order of its own."""
    plan = search.plan(replace(load_grid(None), seeds=3), B0)
    count = len(plan.enumeration.candidates)
    orders = []
    for seed in range(3):
        block = plan.trials[seed * count : (seed + 1) * count]
        assert {one.seed for one in block} == {seed}
        orders.append([one.candidate.fingerprint for one in block])
        assert set(orders[seed]) == {one.fingerprint for one in plan.enumeration.candidates}
    assert orders[0] != orders[1]


def test_upsampling_is_refused_unless_allowed() -> None:
    """The base above the native size, and candidates that would go there."""
    with pytest.raises(ScalectlError, match="no information above 72 px"):
        search.plan(load_grid(None, ["proxy.resolution=80"]), B0)
    near = search.plan(load_grid(None, ["proxy.resolution=60"]), B0)
    refused = [one for one in near.enumeration.rejected if "no information" in one.reason]
    assert "resolution" in {one.control for one in refused}
    allowed = ["proxy.resolution=80", "proxy.allow_upsampling=true"]
    free = search.plan(load_grid(None, allowed), B0).enumeration
    assert not any("no information" in one.reason for one in free.rejected)
    assert max(one.architecture.resolution for one in free.candidates) > 100
