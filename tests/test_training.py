import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from scalectl import training
from scalectl.devices import describe_environment
from scalectl.executors import Workspace
from scalectl.search import Plan
from scalectl.trial import Progress, Record, State, Trial


def train(trial: Trial, workspace: Workspace) -> tuple[list[Progress], Record]:
    *epochs, record = training.run(trial, workspace)
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
    whole = list(training.run(trial, workspace))
    expected = whole[-1]
    assert isinstance(expected, Record)
    assert len(whole) == 3 * (2 + 1) + 1
    saved = workspace.checkpoints / trial.id
    for stop in range(1, len(whole)):
        saved.unlink()
        news = training.run(trial, workspace)
        list(islice(news, stop))
        news.close()
        *again, record = training.run(trial, workspace)
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_trial_is_trained_on_a_gpu(tiny: Plan, workspace: Workspace) -> None:
    """In bfloat16."""
    record = train(tiny.trials[0], replace(workspace, device="cuda"))[1]
    assert record.state is State.DONE
    assert record.environment["device"] == "cuda"
