import random
from collections.abc import Generator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytest
import torch
from factories import TINY

from scalectl.arch.loading import find_baseline
from scalectl.errors import ScalectlError
from scalectl.search.config import load_config
from scalectl.search.plan import Plan, make_plan
from scalectl.training import checkpoint, loop
from scalectl.training.augmentation import augment
from scalectl.training.devices import describe_environment
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Progress, Record, State, Trial


def train(trial: Trial, workspace: Workspace) -> tuple[list[Progress], Record]:
    *epochs, record = loop.run(trial, workspace)
    assert isinstance(record, Record)
    return [epoch for epoch in epochs if isinstance(epoch, Progress)], record


def test_a_trial_is_trained(tiny: Plan, workspace: Workspace) -> None:
    """News of each epoch, then what came of it: the last epoch's scores."""
    epochs, record = train(tiny.trials[0], workspace)
    assert [epoch.epoch for epoch in epochs] == [1, 2], record.error
    assert record.state is State.DONE
    assert record.curve == tuple(epoch.loss for epoch in epochs)
    assert record.top1_curve == tuple(epoch.top1 for epoch in epochs)
    assert record.train_curve == tuple(epoch.train_loss for epoch in epochs)
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
    assert (first.curve, first.top1_curve, first.train_curve) == (
        again.curve,
        again.top1_curve,
        again.train_curve,
    )
    other = train(replace(tiny.trials[0], seed=5), workspace)[1]
    assert other.curve != first.curve


def test_progressive_training_begins_with_small_images(tiny: Plan, workspace: Workspace) -> None:
    """From half the side in equal steps; it costs less, goes on to the same bits, and is scored as others."""
    plain = next(trial for trial in tiny.trials if trial.candidate.control == "baseline")
    trial = replace(plain, recipe=replace(plain.recipe, progressive=True, epochs=3))
    assert [trial.size_at(epoch) for epoch in (1, 2, 3)] == [8, 12, 16]
    assert {plain.size_at(epoch) for epoch in (1, 2)} == {16}
    assert trial.id != replace(plain, recipe=replace(plain.recipe, epochs=3)).id
    _, record = train(trial, workspace)
    assert record.state is State.DONE, record.error
    whole = 3 * plain.data.sizes["train"] * plain.candidate.cost.macs
    assert 1 < trial.count_macs(3) / whole < 2.5
    assert record.macs_spent == trial.count_macs(3) + (3 * 32 + 32) * plain.candidate.cost.macs
    again = replace(workspace, checkpoints=workspace.checkpoints / "again")
    stopped = loop.run(trial, again)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert train(trial, again)[1].curve == record.curve


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
    monkeypatch.setattr(loop, "_BEAT", -1.0)  # news of every step
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, ema=ema, epochs=3))
    whole = list(loop.run(trial, workspace))
    expected = whole[-1]
    assert isinstance(expected, Record)
    assert len(whole) == 3 * (2 + 1 + 1) + 2  # steps, evaluation, epoch; and both once more
    saved = workspace.checkpoints / trial.id
    for stop in range(1, len(whole)):
        saved.unlink()
        news = cast(Generator[News, None, None], loop.run(trial, workspace))
        list(islice(news, stop))
        news.close()
        *again, record = loop.run(trial, workspace)
        assert isinstance(record, Record)
        assert record == replace(expected, seconds=record.seconds, peak_memory=record.peak_memory)
        epochs = [event.epoch for event in again if isinstance(event, Progress)]
        assert epochs == [1, 2, 3][stop // 4 :]


@pytest.mark.parametrize(
    "damage", ["flipped", "empty", "of another trial", "of another machine", "of another version"]
)
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
    elif damage == "of another version":
        state = checkpoint.decode(content)
        state["past"].pop("top1_curve")
        saved.write_bytes(checkpoint.encode(state))
    else:
        other = {**describe_environment(torch.device("cpu")), "capability": "of another"}
        with monkeypatch.context() as patch:
            patch.setattr(loop, "describe_environment", lambda _: other)
            saved.unlink()
            train(first, workspace)
    epochs, record = train(first, workspace)
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert (record.curve, record.top1) == (expected.curve, expected.top1)


def test_every_candidate_of_a_seed_sees_the_same() -> None:
    """Order, shifts and mirrors depend on seed, epoch and image, and on nothing else."""
    order, draws = loop._draw(3, 2, 50)
    again, same = loop._draw(3, 2, 50)
    assert torch.equal(order, again)
    assert torch.equal(draws, same)
    for other in (loop._draw(4, 2, 50), loop._draw(3, 1, 50)):
        assert not torch.equal(order, other[0])
        assert not torch.equal(draws, other[1])
    assert torch.equal(order.sort().values, torch.arange(50))


def test_what_is_drawn_without_a_generator_is_the_trial_s_own() -> None:
    """torch's, numpy's and Python's: the same for the same epoch, whatever ran before."""

    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002

    loop._seed("trial", 1)
    first = draw()
    draw()
    loop._seed("trial", 1)
    assert draw() == first
    loop._seed("trial", 2)
    assert all(value != other for value, other in zip(draw(), first, strict=True))


def test_reasons_hold_no_home_and_no_credentials() -> None:
    """They go into the store, which may be shared."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(f"{Path.home()}/data is not at https://user:secret@host/data")
    reason = loop._explain(caught.value)
    assert "~/data is not at https://host/data" in reason
    assert str(Path.home()) not in reason


def test_each_image_has_a_shift_of_its_own() -> None:
    """Shifted by whole pixels, borders repeated, nothing invented."""
    images = torch.arange(12 * 12, dtype=torch.uint8).reshape(1, 1, 12, 12).repeat(64, 1, 1, 1)
    draws = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    moved = augment(images, draws, 0.25, flip=False)
    corners = {int(image[0, 0, 0]) for image in moved}
    assert len(corners) > 8
    assert max(corners) <= 3 * 12 + 3
    assert torch.equal(augment(images, draws, 0.0, flip=False), images)
    alone = augment(images[5:6], draws[5:6], 0.25, flip=False)
    assert torch.equal(alone, moved[5:6])


def test_half_of_the_images_are_mirrored() -> None:
    """Only where the recipe says so."""
    images = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 1, 8).repeat(200, 1, 8, 1)
    draws = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    mirrored = augment(images, draws, 0.0, flip=True)
    turned = sum(torch.equal(image, images[0].flip(-1)) for image in mirrored)
    straight = sum(torch.equal(image, images[0]) for image in mirrored)
    assert turned + straight == 200
    assert 70 < turned < 130


DROPPING = """
from torch import nn


def build(depth, width, resolution, num_classes):
    wide = max(4, round(8 * width))
    layers = [nn.Conv2d(3 if number == 0 else wide, wide, 3) for number in range(max(1, round(2 * depth)))]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout()]
    return nn.Sequential(*layers, *pool, nn.Linear(wide, num_classes))
"""


def test_a_user_s_own_network_may_draw_at_random(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As here by dropout: to the same bits, whatever ran before."""
    (tmp_path / "dropping.py").write_text(DROPPING)
    monkeypatch.syspath_prepend(tmp_path)
    plan = make_plan(
        load_config(None, [*TINY, "proxy.width=1"]), find_baseline("dropping:build@16")
    )
    record = train(plan.trials[0], workspace)[1]
    assert record.state is State.DONE
    train(replace(plan.trials[0], seed=1), workspace)
    elsewhere = replace(workspace, checkpoints=workspace.checkpoints / "elsewhere")
    assert train(plan.trials[0], elsewhere)[1].curve == record.curve


def test_checkpoints_may_wait_for_some_seconds(tiny: Plan, workspace: Workspace) -> None:
    record = train(tiny.trials[0], replace(workspace, save_every=1e6))[1]
    assert record.state is State.DONE
    assert not (workspace.checkpoints / tiny.trials[0].id).exists()


def lengthen(trial: Trial) -> Trial:
    """Make it a training of hours on a GPU."""
    return replace(trial, recipe=replace(trial.recipe, epochs=10**8))


@pytest.mark.parametrize(
    ("compile_", "device", "can", "is_long", "expected"),
    [
        ("auto", "cuda", True, True, True),
        ("auto", "cuda", True, False, False),
        ("auto", "cuda", False, True, False),
        ("auto", "cpu", True, True, False),
        ("on", "cuda", True, False, True),
        ("on", "cpu", True, True, False),
        ("off", "cuda", True, True, False),
    ],
)
def test_networks_are_compiled_where_that_is_worth_it(
    compile_: Literal["auto", "on", "off"],
    device: str,
    can: bool,
    is_long: bool,
    expected: bool,
    tiny: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "can_compile", lambda: can)
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, compile=compile_))
    trial = lengthen(trial) if is_long else trial
    assert loop._compiles(trial, torch.device(device)) is expected


def test_what_fits_no_graph_is_not_compiled(tiny: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "can_compile", lambda: True)
    trial = lengthen(tiny.trials[0])
    growing = replace(trial, recipe=replace(trial.recipe, progressive=True))
    assert trial.fits_graphs
    assert not growing.fits_graphs
    assert not loop._compiles(growing, torch.device("cuda"))


def test_a_machine_that_cannot_compile_says_so(tiny: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "can_compile", lambda: False)
    trial = replace(tiny.trials[0], recipe=replace(tiny.trials[0].recipe, compile="on"))
    with pytest.raises(ScalectlError, match="needs torch"):
        loop._compiles(trial, torch.device("cuda"))
    assert trial.id != tiny.trials[0].id
