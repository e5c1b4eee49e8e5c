import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_server import CommandServer, search_in, table
from factories import CARD, TINY, Make, pixels

from scalectl.arch.baselines.efficientnet import B0
from scalectl.nn.build import build
from scalectl.search import engine
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import Design, Proxy, load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.store.writer import Store
from scalectl.training.learner import Images, Learner
from scalectl.training.workspace import Workspace
from scalectl.trial import Record, State, Trial


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered of images is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache-home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def hear_signals() -> None:
    """Processes that tests start hear Ctrl-C and hang-ups, though a shell or nohup ignores them for pytest."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def ray_without_token() -> Iterator[None]:
    """A Ray of its own turns its process to tokens for good, which then hears no cluster without one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """Invented results of the default search."""
    enumeration = enumerate_candidates(Design(degree=3), shrink(B0, Proxy(), 16), 72)
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
    return make_plan(load_config(None, TINY), B0)


@pytest.fixture(scope="session")
def server() -> Iterator[CommandServer]:
    with CommandServer() as started:
        yield started


@pytest.fixture(scope="session")
def undisturbed(server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of the small search when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert server.run(search_in(folder), folder) == 0
    return table(folder / "run")


@pytest.fixture
def workspace(tiny: Plan, tmp_path: Path) -> Workspace:
    return engine.make_workspace(tiny, Store(tmp_path), "cpu")


@pytest.fixture
def make(tiny: Plan) -> Make:
    """A learner that has learned nothing."""
    trial = tiny.trials[0]

    def make(ema: float) -> Learner:
        torch.manual_seed(0)
        network = build(trial.candidate.architecture)
        recipe = replace(trial.recipe, ema=ema, batch_size=2)
        return Learner(network, recipe, Images(pixels(0), torch.arange(16)), flip=False)

    return make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-families", action="store_true", help="use emitted files of every family, for minutes"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU with CUDA"))
