from pathlib import Path

import pytest

from scalectl import search
from scalectl.baselines.efficientnet import B0
from scalectl.documents import load_grid
from scalectl.executors import Workspace
from scalectl.search import Plan

TINY = (
    "seeds=1",
    "design.degree=1",
    "design.max_candidates=2",
    "design.max_deviation=1",
    "proxy.train_images=32",
    "proxy.select_images=32",
    "proxy.test_images=16",
    "proxy.width=0.05",
    "proxy.resolution=16",
    "proxy.batch_size=16",
    "proxy.epochs=2",
)
"""A search of some seconds, as `--set` takes it."""


@pytest.fixture(scope="session")
def tiny() -> Plan:
    return search.plan(load_grid(None, TINY), B0)


@pytest.fixture
def workspace(tiny: Plan, tmp_path: Path) -> Workspace:
    return search.workspace(tiny, tmp_path, search.count_cores(), "cpu")
