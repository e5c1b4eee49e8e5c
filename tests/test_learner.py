import pytest
import torch
from conftest import Make, pixels, train_some

from scalectl.blocks import Residual
from scalectl.learner import start_as_identity
from scalectl.network import build
from scalectl.search import Plan


def test_an_average_of_the_weights_is_scored_where_one_is_asked_for(make: Make) -> None:
    """Another score of the same training; with next to no decay it is the network itself."""
    losses, scores = [], []
    for ema in (0.0, 1e-9, 0.99):
        learner = make(ema)
        losses.append(train_some(learner, 0, 8))
        scores.append(learner.evaluate(pixels(9), torch.arange(16))[0])
    assert losses[0] == losses[1] == losses[2]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert scores[0] != pytest.approx(scores[2], abs=1e-4)


def test_steps_are_counted(make: Make) -> None:
    learner = make(0.0)
    train_some(learner, 0, 3)
    assert learner.steps == 3


def test_networks_start_as_if_they_were_shallow(tiny: Plan) -> None:
    """A residual block gives its input back before the first step."""
    network = start_as_identity(build(tiny.trials[0].candidate.architecture)).eval()
    blocks = [
        one for one in network.modules() if isinstance(one, Residual) and one.shortcut is not None
    ]
    assert blocks
    for block in blocks:
        width = next(one for one in block.modules() if hasattr(one, "in_channels")).in_channels
        images = torch.rand(1, width, 4, 4)
        assert torch.equal(block(images), images)
