from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forge import Forge, search_in, table
from numpy.typing import NDArray

from scalectl import search
from scalectl.baselines.efficientnet import B0
from scalectl.datasets import Pixels
from scalectl.documents import load_grid
from scalectl.executors import Workspace
from scalectl.grid import Design, Proxy, enumerate_candidates, shrink
from scalectl.learner import Learner
from scalectl.network import build
from scalectl.search import Plan
from scalectl.store import Store
from scalectl.trial import DataCard, Record, State, Trial


def gather(pairs: Iterator[tuple[Pixels, int]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images of a split, (N, H, W, C), and their labels, (N,)."""
    images, labels = zip(*pairs, strict=True)
    return np.stack(images), np.array(labels)


CARD = DataCard(
    name="glyphs",
    classes=16,
    native=72,
    flip=False,
    note="a note",
    sizes={"train": 4, "select": 2, "test": 2},
    digests={"train": "a", "select": "b", "test": "c"},
)


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
def records() -> list[Record]:
    """Invented results of the default search."""
    enumeration = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 72)
    return [
        Record(
            trial=Trial(
                baseline=B0, candidate=candidate, recipe=Proxy().recipe, data=CARD, seed=seed
            ),
            state=State.DONE,
            top1=0.1 + seed / 3,
            loss=1 / 3,
            curve=(2.1, 1 / 3),
            environment={"torch": "x"},
        )
        for candidate in enumeration.candidates
        for seed in range(2)
    ]


@pytest.fixture(scope="session")
def tiny() -> Plan:
    return search.plan(load_grid(None, TINY), B0)


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    with Forge() as started:
        yield started


@pytest.fixture(scope="session")
def undisturbed(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of the small search when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert forge.run(search_in(folder), folder) == 0
    return table(folder / "run")


@pytest.fixture
def workspace(tiny: Plan, tmp_path: Path) -> Workspace:
    return search.workspace(tiny, Store(tmp_path), "cpu")


Make = Callable[..., Learner]
"""Of the decay of an average, the seeds of networks, one by default, and the device."""


@pytest.fixture
def make(tiny: Plan) -> Make:
    """A learner that has learned nothing."""
    trial = tiny.trials[0]

    def make(ema: float, *seeds: int, device: str = "cpu") -> Learner:
        networks = []
        for seed in seeds or (0,):
            torch.manual_seed(seed)
            networks.append(build(trial.candidate.architecture))
        recipe = replace(trial.recipe, ema=ema, batch_size=2)
        return Learner(networks, recipe, pixels(0).to(device))

    return make


def pixels(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (16, 1, 16, 16), dtype=torch.uint8, generator=generator)


def train_some(learner: Learner, first: int, last: int) -> list[float]:
    """Of one network: its losses."""
    steps = [
        learner.learn(pixels(step)[None], torch.arange(16)[None]) for step in range(first, last)
    ]
    return [loss.item() for loss in steps]
