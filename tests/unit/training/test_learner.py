import copy

import pytest
import torch
from factories import Make, finish, pixels, train_some
from torch import nn

from scalectl.nn.blocks import Residual
from scalectl.nn.build import build
from scalectl.search.plan import Plan
from scalectl.training.learner import Images, start_as_identity, start_orthogonal, weigh_classes


def test_an_average_of_the_weights_is_scored_where_one_is_asked_for(make: Make) -> None:
    """Another score of the same training; with next to no decay it is the network itself."""
    losses, scores = [], []
    for ema in (0.0, 1e-9, 0.99):
        learner = make(ema)
        losses.append(train_some(learner, 0, 8))
        scores.append(finish(learner.evaluate(Images(pixels(9), torch.arange(16))))[0])
    assert losses[0] == losses[1] == losses[2]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert scores[0] != pytest.approx(scores[2], abs=1e-4)


def test_every_class_counts_alike_in_a_balanced_top1() -> None:
    """Whatever its size; a class without images counts for nothing."""
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 3, 3, 1])
    weights = weigh_classes(labels, 5)
    assert weights.mean().item() == pytest.approx(1)
    right = torch.tensor([1, 1, 1, 0, 0, 0, 1, 1, 0])
    assert (right * weights).mean().item() == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_moments_may_lie_in_memory_as_they_like(make: Make) -> None:
    """torch's fused step mixes them up, without a word, where they lie otherwise than the weights."""
    whole, other = make(0.0), make(0.0)
    train_some(whole, 0, 3)
    state = copy.deepcopy(whole.state())
    moved = 0
    for moments in state["optimizer"]["state"].values():
        for name, moment in moments.items():
            moments[name] = moment.contiguous()
            moved += moments[name].stride() != moment.stride()
    assert moved
    other.restore(state)
    assert train_some(other, 3, 6) == train_some(whole, 3, 6)


def test_steps_are_counted(make: Make) -> None:
    learner = make(0.0)
    train_some(learner, 0, 3)
    assert learner.steps == 3


def test_networks_start_as_if_they_were_shallow(tiny: Plan) -> None:
    """A residual block gives its input back before the first step."""
    network = start_as_identity(build(tiny.trials[0].candidate.architecture)).eval()
    blocks = [
        module
        for module in network.modules()
        if isinstance(module, Residual) and module.shortcut is not None
    ]
    assert blocks
    for block in blocks:
        width = next(part for part in block.modules() if isinstance(part, nn.Conv2d)).in_channels
        images = torch.rand(1, width, 4, 4)
        assert torch.equal(block(images), images)


def test_orthogonal_kernels_keep_what_they_are_given(tiny: Plan) -> None:
    """No direction of the input or output is lost, the norm is as before, and so is all else."""
    network = build(tiny.trials[0].candidate.architecture)
    before = copy.deepcopy(network.state_dict())
    start_orthogonal(network)
    whole = {
        f"{name}.weight"
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv2d) and part.groups == 1
    }
    for name, value in network.state_dict().items():
        if name not in whole:
            assert torch.equal(value, before[name])
            continue
        assert value.norm().item() == pytest.approx(before[name].norm().item(), rel=1e-4)
        spread = torch.linalg.svdvals(value.flatten(1))
        assert (spread.max() / spread.min()).item() == pytest.approx(1, rel=1e-3)
    assert whole
