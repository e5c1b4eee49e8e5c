from dataclasses import replace

import pytest
import torch

from scalectl import training
from scalectl.blocks import Residual
from scalectl.executors import Workspace
from scalectl.network import build
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


def test_each_image_has_a_shift_of_its_own() -> None:
    """Shifted by whole pixels, borders repeated, nothing invented."""
    images = torch.arange(12 * 12, dtype=torch.uint8).reshape(1, 1, 12, 12).repeat(64, 1, 1, 1)
    moved = training._augment(images, 0.25, False, torch.Generator().manual_seed(0))
    corners = {int(image[0, 0, 0]) for image in moved}
    assert len(corners) > 8
    assert max(corners) <= 3 * 12 + 3
    still = training._augment(images, 0.0, False, torch.Generator().manual_seed(0))
    assert torch.equal(still, images)


def test_half_of_the_images_are_mirrored() -> None:
    """Only where the recipe says so."""
    images = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 1, 8).repeat(200, 1, 8, 1)
    mirrored = training._augment(images, 0.0, True, torch.Generator().manual_seed(0))
    turned = sum(torch.equal(image, images[0].flip(-1)) for image in mirrored)
    straight = sum(torch.equal(image, images[0]) for image in mirrored)
    assert turned + straight == 200
    assert 70 < turned < 130


def test_networks_start_as_if_they_were_shallow(tiny: Plan) -> None:
    """A residual block gives its input back before the first step."""
    network = training._start_as_identity(build(tiny.trials[0].candidate.architecture)).eval()
    blocks = [
        one for one in network.modules() if isinstance(one, Residual) and one.shortcut is not None
    ]
    assert blocks
    for block in blocks:
        width = next(one for one in block.modules() if hasattr(one, "in_channels")).in_channels
        images = torch.rand(1, width, 4, 4)
        assert torch.equal(block(images), images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_trial_is_trained_on_a_gpu(tiny: Plan, workspace: Workspace) -> None:
    """In bfloat16."""
    record = train(tiny.trials[0], replace(workspace, device="cuda"))[1]
    assert record.state is State.DONE
    assert record.environment["device"] == "cuda"
