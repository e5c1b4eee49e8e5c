import threading
from collections.abc import Generator, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from conftest import TINY

from scalectl import search
from scalectl.baselines.efficientnet import B0
from scalectl.documents import load_grid
from scalectl.errors import ScalectlError
from scalectl.executors import Group, Workspace, make_executor
from scalectl.leases import Leases
from scalectl.search import Plan
from scalectl.store import Store
from scalectl.trial import News, Record, State, Trial


def test_a_search_goes_on_where_it_was(tiny: Plan, workspace: Workspace, tmp_path: Path) -> None:
    """What is stored is not trained again; what failed is, until it has failed too often."""
    store, executor = Store(tmp_path / "run"), make_executor("inline", 1)
    first, second, *others = tiny.trials
    store.write(Record(trial=first, state=State.KILLED, error="SIGKILL"))
    for _ in range(3):
        store.write(Record(trial=second, state=State.STALLED, error="asleep"))
    assert search.remaining(tiny.trials, tiny, store) == [first, *others]
    epochs_and_record = 3
    news = search.search([first, *others], executor, workspace, store, 2)
    list(islice(news, epochs_and_record))
    news.close()
    assert search.remaining(tiny.trials, tiny, store) == others
    list(search.search(search.remaining(tiny.trials, tiny, store), executor, workspace, store, 2))
    assert search.remaining(tiny.trials, tiny, store) == []
    states = {one.trial.id: one.state for one in store.read().records}
    assert states.pop(second.id) is State.STALLED
    assert set(states.values()) == {State.DONE}
    assert len(states) == len(tiny.trials) - 1


def test_what_another_command_ends_is_yielded_too(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """One record for each trial, though not one was trained here; nothing waits for ever."""
    store, others = Store(tmp_path / "run"), Leases(tmp_path / "run" / "locks", 100)
    done, failed = (tiny.trials[number] for number in range(2))
    assert others.take(done.id)
    assert others.take(failed.id)

    def finish() -> None:
        store.write(Record(trial=done, state=State.DONE, top1=0.5))
        for _ in range(3):
            store.write(Record(trial=failed, state=State.ERROR, error="three times"))

    timer = threading.Timer(0.2, finish)
    timer.start()
    news = list(search.search([done, failed], make_executor("inline", 1), workspace, store, 2))
    timer.join()
    assert {one.trial.id: one.state for one in news} == {
        done.id: State.DONE,
        failed.id: State.ERROR,
    }
    assert all(isinstance(one, Record) for one in news)
    others.release_all()


def test_seeds_of_a_network_are_taken_together(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """Up to as many as were asked for, in order; without those that others train or have trained."""
    store, others = Store(tmp_path / "run"), Leases(tmp_path / "run" / "locks", 100)
    one, another = tiny.trials[:2]
    trials = [replace(trial, seed=seed) for seed in range(6) for trial in (one, another)]
    assert others.take(trials[4].id)  # seed 2 of the first
    store.write(Record(trial=trials[5], state=State.DONE, top1=0.5))  # seed 2 of the second
    groups: list[tuple[Trial, ...]] = []

    class Noting:
        jobs = 1

        def run(self, given: Iterable[Group], _workspace: Workspace) -> Generator[News, None, None]:
            for group in given:
                groups.append(tuple(group))
                for trial in group:
                    yield Record(trial=trial, state=State.DONE, top1=0.5)

    place = replace(workspace, seeds_per_step=3)
    news = search.search(trials, Noting(), place, store, 2)
    for _ in range(11):  # the twelfth is with the others
        next(news)
    others.release_all()
    assert next(news).trial == trials[4]
    taken = [(group[0].candidate == one.candidate, [one.seed for one in group]) for group in groups]
    assert taken == [
        (True, [0, 1, 3]),
        (False, [0, 1, 3]),
        (True, [4, 5]),
        (False, [4, 5]),
        (True, [2]),
    ]


def test_a_file_that_is_damaged_meanwhile_is_not_waited_for(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """Its name says that the trial ended; the next command finds out, and repairs it."""
    store = Store(tmp_path / "run")
    first, second = tiny.trials[:2]
    (tmp_path / "run" / "trials" / f"{first.id}.parquet").write_bytes(b"junk")
    news = list(search.search([first, second], make_executor("inline", 1), workspace, store, 2))
    assert {one.trial.id for one in news} == {second.id}


def test_an_id_is_of_what_decides_the_result(tiny: Plan) -> None:
    """Each part of it; never a name, nor a part of the recipe at its default."""
    trial = tiny.trials[0]
    card, recipe, candidate = trial.data, trial.recipe, trial.candidate
    others = [
        replace(trial, seed=9),
        replace(trial, recipe=replace(recipe, learning_rate=0.5)),
        replace(trial, recipe=replace(recipe, ema=0.5)),
        replace(trial, data=replace(card, digests={**card.digests, "train": "x"})),
        replace(trial, data=replace(card, flip=not card.flip)),
        replace(
            trial,
            candidate=replace(candidate, architecture=replace(candidate.architecture, classes=5)),
        ),
    ]
    assert len({one.id for one in (trial, *others)}) == 1 + len(others)
    renamed = replace(
        trial,
        baseline=replace(trial.baseline, name="other"),
        data=replace(card, name="other", note="other"),
        candidate=replace(
            candidate, control="other", architecture=replace(candidate.architecture, name="other")
        ),
    )
    assert renamed.id == trial.id


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        (["proxy.epochs=3"], "proxy.epochs is 2 there and 3 here"),
        (["proxy.ema=0.5"], "proxy.ema is 0.0 there and 0.5 here"),
        (["design.degree=2"], "design.degree is 1 there and 2 here"),
    ],
)
def test_another_search_is_refused(settings: list[str], difference: str, tiny: Plan, tmp_path: Path) -> None:  # fmt: skip
    """With the key, and nothing changes."""
    search.claim(tiny, tmp_path / "run")
    before = (tmp_path / "run" / "grid.toml").read_bytes()
    other = search.plan(load_grid(None, [*TINY, *settings]), B0)
    with pytest.raises(ScalectlError, match=difference):
        search.claim(other, tmp_path / "run")
    assert (tmp_path / "run" / "grid.toml").read_bytes() == before


def test_records_of_another_search_are_refused_without_its_grid(tiny: Plan, tmp_path: Path) -> None:
    """The file may be damaged or gone."""
    store, _ = search.claim(tiny, tmp_path / "run")
    store.write(Record(trial=tiny.trials[0], state=State.DONE, top1=0.5))
    (tmp_path / "run" / "grid.toml").write_text("junk")
    other = search.plan(load_grid(None, [*TINY, "proxy.epochs=3"]), B0)
    with pytest.raises(ScalectlError, match="its baseline or its recipe is another one"):
        search.claim(other, tmp_path / "run")
    _, damaged = search.claim(tiny, tmp_path / "run")
    assert [one.path.name for one in damaged] == ["grid.toml"]


def test_more_seeds_other_places_and_another_watch_are_the_same_search(
    tiny: Plan, tmp_path: Path
) -> None:
    search.claim(tiny, tmp_path / "run")
    settings = [*TINY, "seeds=2", "watch.stall=5", "watch.retries=0"]
    search.claim(search.plan(load_grid(None, settings), B0), tmp_path / "run")


def test_the_stored_grid_names_no_places(tiny: Plan, tmp_path: Path) -> None:
    """A path may hold a user's name: its last part is enough."""
    proxy = replace(tiny.grid.proxy, data="folder:/home/alice/pets")
    grid = replace(tiny.grid, baseline="/home/alice/my_net.toml", proxy=proxy)
    search.claim(replace(tiny, grid=grid), tmp_path / "run")
    text = (tmp_path / "run" / "grid.toml").read_text()
    assert "alice" not in text
    assert 'data = "folder:pets"' in text
    assert 'baseline = "my_net.toml"' in text


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
