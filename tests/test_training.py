import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY
from torch import nn

from scalectl import search, training
from scalectl.devices import describe_environment
from scalectl.documents import find_baseline, load_grid
from scalectl.executors import Workspace
from scalectl.learner import Learner
from scalectl.search import Plan
from scalectl.trial import News, Progress, Record, State, Trial


def train(trial: Trial, workspace: Workspace) -> tuple[list[Progress], Record]:
    *epochs, record = training.run([trial], workspace)
    assert isinstance(record, Record)
    return [one for one in epochs if isinstance(one, Progress)], record


def test_a_trial_is_trained(tiny: Plan, workspace: Workspace) -> None:
    """News of each epoch, then what came of it: the last epoch's scores."""
    epochs, record = train(tiny.trials[0], workspace)
    assert [one.epoch for one in epochs] == [1, 2], record.error
    assert record.state is State.DONE
    assert record.curve == tuple(one.loss for one in epochs)
    assert (record.top1, record.loss) == (epochs[-1].top1, epochs[-1].loss)
    forward = 2 * (3 * 32 + 32) + 32
    assert record.macs_spent == forward * record.trial.candidate.cost.macs
    assert record.peak_memory > 0
    assert record.seconds > 0


def test_the_same_trial_gives_the_same_bits(tiny: Plan, workspace: Workspace) -> None:
    """Whatever was trained before in the process; another seed gives others."""
    first = train(tiny.trials[0], workspace)[1]
    (workspace.checkpoints / tiny.trials[0].id).unlink()
    torch.manual_seed(99)
    again = train(tiny.trials[0], workspace)[1]
    assert (first.curve, first.top1) == (again.curve, again.top1)
    other = train(replace(tiny.trials[0], seed=5), workspace)[1]
    assert other.curve != first.curve


def test_a_loss_that_explodes_is_diverged(tiny: Plan, workspace: Workspace) -> None:
    """It has no score."""
    recipe = replace(tiny.trials[0].recipe, learning_rate=1e30)
    record = train(replace(tiny.trials[0], recipe=recipe), workspace)[1]
    assert record.state is State.DIVERGED
    assert (record.top1, record.loss) == (None, None)
    assert "not finite" in record.error


def test_an_exception_is_a_record(tiny: Plan, workspace: Workspace) -> None:
    """With its reason, and no traceback."""
    record = train(tiny.trials[0], replace(workspace, device="no such device"))[1]
    assert record.state is State.ERROR
    assert "no such device" in record.error


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_stopped_trial_goes_on_to_the_same_bits(
    ema: float, tiny: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after each step of each epoch: the same record, and at most one epoch again."""
    monkeypatch.setattr(training, "_BEAT", -1.0)  # news of every step
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, ema=ema, epochs=3))
    whole = list(training.run([trial], workspace))
    expected = whole[-1]
    assert isinstance(expected, Record)
    assert len(whole) == 3 * (2 + 1) + 1
    saved = workspace.checkpoints / trial.id
    for stop in range(1, len(whole)):
        saved.unlink()
        news = training.run([trial], workspace)
        list(islice(news, stop))
        news.close()
        *again, record = training.run([trial], workspace)
        assert record == replace(expected, seconds=record.seconds, peak_memory=record.peak_memory)
        epochs = [one.epoch for one in again if isinstance(one, Progress)]
        assert epochs == [1, 2, 3][stop // 3 :]


@pytest.mark.parametrize("damage", ["flipped", "empty", "of another trial", "of another machine"])
def test_a_checkpoint_that_is_not_believed_costs_its_epochs_alone(
    damage: str, tiny: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial begins again, and ends with the same bits."""
    first, second = tiny.trials[:2]
    expected = train(first, workspace)[1]
    saved = workspace.checkpoints / first.id
    content = saved.read_bytes()
    if damage == "flipped":
        saved.write_bytes(content[:900] + bytes([content[900] ^ 4]) + content[901:])
    elif damage == "empty":
        saved.write_bytes(b"")
    elif damage == "of another trial":
        train(second, workspace)
        (workspace.checkpoints / second.id).rename(saved)
    else:
        other = {**describe_environment(torch.device("cpu")), "capability": "of another"}
        with monkeypatch.context() as patch:
            patch.setattr(training, "describe_environment", lambda _: other)
            saved.unlink()
            train(first, workspace)
    epochs, record = train(first, workspace)
    assert [one.epoch for one in epochs] == [1, 2]
    assert (record.curve, record.top1) == (expected.curve, expected.top1)


def test_every_candidate_of_a_seed_sees_the_same() -> None:
    """Order, shifts and mirrors depend on seed, epoch and image, and on nothing else."""
    order, draws = training._draw(3, 2, 50)
    again, same = training._draw(3, 2, 50)
    assert torch.equal(order, again)
    assert torch.equal(draws, same)
    for other in (training._draw(4, 2, 50), training._draw(3, 1, 50)):
        assert not torch.equal(order, other[0])
        assert not torch.equal(draws, other[1])
    assert torch.equal(order.sort().values, torch.arange(50))


def test_what_is_drawn_without_a_generator_is_the_trial_s_own() -> None:
    """torch's, numpy's and Python's: the same for the same epoch, whatever ran before."""

    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002

    training._seed("trial", 1)
    first = draw()
    draw()
    training._seed("trial", 1)
    assert draw() == first
    training._seed("trial", 2)
    assert all(one != other for one, other in zip(draw(), first, strict=True))


def test_reasons_hold_no_home_and_no_credentials() -> None:
    """They go into the store, which may be shared."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(f"{Path.home()}/data is not at https://user:secret@host/data")
    reason = training._explain(caught.value)
    assert "~/data is not at https://host/data" in reason
    assert str(Path.home()) not in reason


def test_each_image_has_a_shift_of_its_own() -> None:
    """Shifted by whole pixels, borders repeated, nothing invented."""
    images = torch.arange(12 * 12, dtype=torch.uint8).reshape(1, 1, 12, 12).repeat(64, 1, 1, 1)
    draws = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    moved = training._augment(images, draws, 0.25, flip=False)
    corners = {int(image[0, 0, 0]) for image in moved}
    assert len(corners) > 8
    assert max(corners) <= 3 * 12 + 3
    assert torch.equal(training._augment(images, draws, 0.0, flip=False), images)
    one = training._augment(images[5:6], draws[5:6], 0.25, flip=False)
    assert torch.equal(one, moved[5:6])


def test_half_of_the_images_are_mirrored() -> None:
    """Only where the recipe says so."""
    images = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 1, 8).repeat(200, 1, 8, 1)
    draws = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    mirrored = training._augment(images, draws, 0.0, flip=True)
    turned = sum(torch.equal(image, images[0].flip(-1)) for image in mirrored)
    straight = sum(torch.equal(image, images[0]) for image in mirrored)
    assert turned + straight == 200
    assert 70 < turned < 130


def train_together(trials: Sequence[Trial], workspace: Workspace) -> dict[int, Record]:
    """Records by seed."""
    news = training.run(trials, workspace)
    return {one.trial.seed: one for one in news if isinstance(one, Record)}


def assert_alike(ours: Record, alone: Record) -> None:
    """Up to rounding, which a training of few steps repeats but little: 1e-3 of a loss."""
    assert (ours.trial, ours.state, ours.error) == (alone.trial, alone.state, alone.error)
    assert ours.curve == pytest.approx(alone.curve, rel=1e-3)
    for part in ("loss", "train_loss"):
        assert getattr(ours, part) == pytest.approx(getattr(alone, part), rel=1e-3)
    images = 32
    for part in ("top1", "train_top1"):
        assert getattr(ours, part) == pytest.approx(getattr(alone, part), abs=1.5 / images)
    assert (ours.macs_spent, ours.environment) == (alone.macs_spent, alone.environment)


@pytest.fixture
def seeds(tiny: Plan) -> list[Trial]:
    recipe = replace(tiny.trials[0].recipe, epochs=3)
    return [replace(tiny.trials[0], recipe=recipe, seed=seed) for seed in range(3)]


def test_seeds_together_end_as_each_alone(seeds: list[Trial], workspace: Workspace) -> None:
    """Scores, curves, and what they cost; their seconds are those of all, in equal parts."""
    begun = time.monotonic()
    news = list(training.run(seeds, workspace))
    passed = time.monotonic() - begun
    records = [one for one in news if isinstance(one, Record)]
    assert [one.trial for one in records] == seeds
    assert sum(one.seconds for one in records) < passed
    elsewhere = replace(workspace, checkpoints=workspace.checkpoints / "elsewhere")
    curves = set()
    for trial, record in zip(seeds, records, strict=True):
        epochs, alone = train(trial, elsewhere)
        assert_alike(record, alone)
        heard = [one for one in news if isinstance(one, Progress) and one.trial == trial]
        assert [one.epoch for one in heard] == [one.epoch for one in epochs]
        assert record.curve == tuple(one.loss for one in heard)
        curves.add(record.curve)
    assert len(curves) == 3


def list_epochs(news: Iterable[News]) -> list[tuple[int, int]]:
    """Seeds and epochs, in order."""
    return sorted((one.trial.seed, one.epoch) for one in news if isinstance(one, Progress))


def test_seeds_that_stopped_together_go_on_to_the_same_bits(
    seeds: list[Trial], workspace: Workspace
) -> None:
    """After each piece of news."""
    expected = train_together(seeds, workspace)
    for stop in range(1, 9):
        for trial in seeds:
            (workspace.checkpoints / trial.id).unlink()
        news = training.run(seeds, workspace)
        list(islice(news, stop))
        news.close()
        heard = list(training.run(seeds, workspace))
        left = range(2 + (stop - 1) // 3, 4)
        assert list_epochs(heard) == [(seed, epoch) for seed in range(3) for epoch in left]
        for record in heard:
            if isinstance(record, Record):
                assert record.curve == expected[record.trial.seed].curve
                assert record.top1 == expected[record.trial.seed].top1


def test_seeds_that_were_not_saved_together_go_on_apart(
    seeds: list[Trial], workspace: Workspace
) -> None:
    """As where a process died between two checkpoints: none trains an epoch again."""
    expected = train_together(seeds, workspace)
    saved = [workspace.checkpoints / trial.id for trial in seeds]
    for path in saved:
        path.unlink()
    news = training.run(seeds, workspace)
    list(islice(news, 3))
    earlier = [path.read_bytes() for path in saved]
    next(news)
    news.close()
    for path, content in zip(saved[1:], earlier[1:], strict=True):
        path.write_bytes(content)
    heard = list(training.run(seeds, workspace))
    assert list_epochs(heard) == [(0, 3), (1, 2), (1, 3), (2, 2), (2, 3)]
    for record in heard:
        if isinstance(record, Record):
            assert_alike(record, expected[record.trial.seed])


def test_a_seed_that_diverges_leaves_the_others(
    seeds: list[Trial], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on alone from the epoch before: what is not finite may have spread to its neighbours."""
    elsewhere = replace(workspace, checkpoints=workspace.checkpoints / "elsewhere")
    expected = [train(trial, elsewhere)[1] for trial in seeds]
    begin = training._begin

    def begin_badly(trial: Trial) -> nn.Module:
        network = begin(trial)
        if trial.seed == 1:
            nn.init.constant_(next(network.parameters()), float("inf"))
        return network

    monkeypatch.setattr(training, "_begin", begin_badly)
    news = list(training.run(seeds, workspace))
    assert list_epochs(news) == [(0, 1), (0, 2), (0, 3), (1, 1), (2, 1), (2, 2), (2, 3)]
    first, second, third = (one for one in news if isinstance(one, Record))
    assert second.state is State.DIVERGED
    assert second.error == "the loss was not finite after epoch 1"
    assert (second.top1, second.train_loss, second.curve) == (None, None, ())
    assert (first.curve, third.curve) == (expected[0].curve, expected[2].curve)


def test_seeds_without_room_together_are_trained_alone(
    seeds: list[Trial], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where they were; another failure is the record of each."""
    whole = training.Learner

    def make(networks: Sequence[nn.Module], *rest: Any) -> Learner:
        if len(networks) > 1:
            raise problem
        return whole(networks, *rest)

    monkeypatch.setattr(training, "Learner", make)
    problem: Exception = MemoryError("too many")
    records = train_together(seeds, workspace)
    assert [records[seed].state for seed in range(3)] == [State.DONE] * 3
    problem = RuntimeError("it is broken")
    records = train_together(seeds, workspace)
    assert [records[seed].state for seed in range(3)] == [State.ERROR] * 3
    assert all("it is broken" in record.error for record in records.values())


DROPPING = """
from torch import nn


def build(depth, width, resolution, num_classes):
    wide = max(4, round(8 * width))
    layers = [nn.Conv2d(3 if one == 0 else wide, wide, 3) for one in range(max(1, round(2 * depth)))]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout()]
    return nn.Sequential(*layers, *pool, nn.Linear(wide, num_classes))
"""


def test_networks_of_a_user_s_own_are_trained_alone(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same bits: they may draw at random, as here, which stacked ones cannot."""
    (tmp_path / "dropping.py").write_text(DROPPING)
    monkeypatch.syspath_prepend(tmp_path)
    plan = search.plan(
        load_grid(None, [*TINY, "proxy.width=1"]), find_baseline("dropping:build@16")
    )
    trials = [replace(plan.trials[0], seed=seed) for seed in range(2)]
    records = train_together(trials, workspace)
    elsewhere = replace(workspace, checkpoints=workspace.checkpoints / "elsewhere")
    for trial in trials:
        assert records[trial.seed].state is State.DONE
        assert records[trial.seed].curve == train(trial, elsewhere)[1].curve
