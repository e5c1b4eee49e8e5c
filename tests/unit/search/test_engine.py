import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from factories import TINY

from scalectl.arch.baselines.efficientnet import B0
from scalectl.errors import ScalectlError
from scalectl.executors import make_executor
from scalectl.search import engine, resume
from scalectl.search.config import Config, dump_config, load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.store.checksum import add_checksum
from scalectl.store.locks import Locks
from scalectl.store.writer import Store
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Record, State


def test_a_search_goes_on_where_it_was(tiny: Plan, workspace: Workspace, tmp_path: Path) -> None:
    """What is stored is not trained again; what failed is, until it has failed too often."""
    store, executor = Store(tmp_path / "run"), make_executor("inline", 1)
    first, second, *others = tiny.trials
    store.write(Record(trial=first, state=State.KILLED, error="SIGKILL"))
    for _ in range(3):
        store.write(Record(trial=second, state=State.STALLED, error="asleep"))
    assert resume.list_remaining(tiny.trials, store, 2) == [first, *others]
    news = cast(
        Generator[News, None, None], engine.train([first, *others], executor, workspace, store, 2)
    )
    next(event for event in news if isinstance(event, Record))
    news.close()
    assert resume.list_remaining(tiny.trials, store, 2) == others
    list(engine.train(resume.list_remaining(tiny.trials, store, 2), executor, workspace, store, 2))
    assert resume.list_remaining(tiny.trials, store, 2) == []
    states = {record.trial.id: record.state for record in store.read().records}
    assert states.pop(second.id) is State.STALLED
    assert set(states.values()) == {State.DONE}
    assert len(states) == len(tiny.trials) - 1


def test_what_another_command_ends_is_yielded_too(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """One record for each trial, though not one was trained here; nothing waits for ever."""
    store, others = Store(tmp_path / "run"), Locks(tmp_path / "run" / "locks", 100)
    done, failed = (tiny.trials[number] for number in range(2))
    assert others.acquire(done.id)
    assert others.acquire(failed.id)

    def finish() -> None:
        store.write(Record(trial=done, state=State.DONE, top1=0.5))
        for _ in range(3):
            store.write(Record(trial=failed, state=State.ERROR, error="three times"))

    timer = threading.Timer(0.2, finish)
    timer.start()
    news = list(engine.train([done, failed], make_executor("inline", 1), workspace, store, 2))
    timer.join()
    assert {event.trial.id: event.state for event in news if isinstance(event, Record)} == {
        done.id: State.DONE,
        failed.id: State.ERROR,
    }
    assert all(isinstance(event, Record) for event in news)
    others.release_all()


def test_a_file_that_is_damaged_meanwhile_is_not_waited_for(
    tiny: Plan, workspace: Workspace, tmp_path: Path
) -> None:
    """Its name says that the trial ended; the next command finds out, and repairs it."""
    store = Store(tmp_path / "run")
    first, second = tiny.trials[:2]
    (tmp_path / "run" / "trials" / f"{first.id}.parquet").write_bytes(b"junk")
    news = list(engine.train([first, second], make_executor("inline", 1), workspace, store, 2))
    assert {event.trial.id for event in news} == {second.id}


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
    assert len({each.id for each in (trial, *others)}) == 1 + len(others)
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
    resume.claim(tiny, tmp_path / "run")
    before = (tmp_path / "run" / "grid.toml").read_bytes()
    other = make_plan(load_config(None, [*TINY, *settings]), B0)
    with pytest.raises(ScalectlError, match=difference):
        resume.claim(other, tmp_path / "run")
    assert (tmp_path / "run" / "grid.toml").read_bytes() == before


def test_a_recipe_has_the_defaults_of_the_version_that_wrote_it(tiny: Plan, tmp_path: Path) -> None:
    """A run of before there was a key is told from one with today's default, and can go on."""
    resume.claim(tiny, tmp_path / "run")
    text = dump_config(tiny.config).replace("orthogonal = true\n", "")
    (tmp_path / "run" / "grid.toml").write_bytes(add_checksum(text.encode(), ".toml"))
    stored = resume.read_settings(Config, tmp_path / "run", ())
    assert stored is not None
    assert stored.proxy == replace(tiny.config.proxy, orthogonal=False)
    now, before = (
        make_plan(load_config(None, [*TINY, f"proxy.orthogonal={value}"]), B0)
        for value in ("true", "false")
    )
    with pytest.raises(ScalectlError, match="orthogonal is False there and True here"):
        resume.look(now, tmp_path / "run")
    resume.look(before, tmp_path / "run")


def test_records_of_another_search_are_refused_without_its_grid(tiny: Plan, tmp_path: Path) -> None:
    """The file may be damaged or gone."""
    store, _ = resume.claim(tiny, tmp_path / "run")
    store.write(Record(trial=tiny.trials[0], state=State.DONE, top1=0.5))
    (tmp_path / "run" / "grid.toml").write_text("junk")
    other = make_plan(load_config(None, [*TINY, "proxy.epochs=3"]), B0)
    with pytest.raises(ScalectlError, match="its baseline or its recipe is another one"):
        resume.claim(other, tmp_path / "run")
    _, damaged = resume.claim(tiny, tmp_path / "run")
    assert [file.path.name for file in damaged] == ["grid.toml"]


def test_more_seeds_other_places_and_another_watch_are_the_same_search(
    tiny: Plan, tmp_path: Path
) -> None:
    resume.claim(tiny, tmp_path / "run")
    settings = [*TINY, "seeds=2", "watch.stall=5", "watch.retries=0"]
    resume.claim(make_plan(load_config(None, settings), B0), tmp_path / "run")


def test_the_stored_grid_names_no_places(tiny: Plan, tmp_path: Path) -> None:
    """A path may hold a user's name: its last part is enough."""
    proxy = replace(tiny.config.proxy, data="folder:/home/alice/pets")
    config = replace(tiny.config, baseline="/home/alice/my_net.toml", proxy=proxy)
    resume.claim(replace(tiny, config=config), tmp_path / "run")
    text = (tmp_path / "run" / "grid.toml").read_text()
    assert "alice" not in text
    assert 'data = "folder:pets"' in text
    assert 'baseline = "my_net.toml"' in text


def test_seeds_are_blocks() -> None:
    """Each trains every candidate once, in an order of its own."""
    plan = make_plan(replace(load_config(None), seeds=3), B0)
    count = len(plan.enumeration.candidates)
    orders = []
    for seed in range(3):
        block = plan.trials[seed * count : (seed + 1) * count]
        assert {trial.seed for trial in block} == {seed}
        orders.append([trial.candidate.fingerprint for trial in block])
        assert set(orders[seed]) == {
            candidate.fingerprint for candidate in plan.enumeration.candidates
        }
    assert orders[0] != orders[1]


def test_upsampling_is_refused_unless_allowed() -> None:
    """The base above the native size, and candidates that would go there."""
    with pytest.raises(ScalectlError, match="no information above 72 px"):
        make_plan(load_config(None, ["proxy.resolution=80"]), B0)
    near = make_plan(load_config(None, ["proxy.resolution=60"]), B0)
    refused = [
        rejected for rejected in near.enumeration.rejected if "no information" in rejected.reason
    ]
    assert "resolution" in {rejected.control for rejected in refused}
    allowed = ["proxy.resolution=80", "proxy.allow_upsampling=true"]
    free = make_plan(load_config(None, allowed), B0).enumeration
    assert not any("no information" in refused.reason for refused in free.rejected)
    assert max(candidate.architecture.resolution for candidate in free.candidates) > 100
