import copy

import pytest
import torch
from conftest import Make, pixels, train_some

from scalectl import checkpoint
from scalectl.blocks import Residual
from scalectl.learner import Learner, start_as_identity
from scalectl.network import build
from scalectl.search import Plan


def test_an_average_of_the_weights_is_scored_where_one_is_asked_for(make: Make) -> None:
    """Another score of the same training; with next to no decay it is the network itself."""
    losses, scores = [], []
    for ema in (0.0, 1e-9, 0.99):
        learner = make(ema)
        losses.append(train_some(learner, 0, 8))
        scores.append(learner.evaluate(pixels(9), torch.arange(16))[0][0])
    assert losses[0] == losses[1] == losses[2]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert scores[0] != pytest.approx(scores[2], abs=1e-4)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_networks_that_take_steps_together_learn_what_they_would_alone(
    ema: float, make: Make
) -> None:
    """On images of their own. In double precision, since the large steps of noise repeat rounding."""
    seeds, labels = (0, 1, 2), torch.arange(16)
    together, singles = in_double(make(ema, *seeds)), [in_double(make(ema, one)) for one in seeds]
    for step in range(8):
        batches = torch.stack([pixels(step + 100 * seed) for seed in seeds])
        losses = together.learn(batches, labels.expand(3, -1))
        expected = [
            one.learn(batch[None], labels[None])
            for one, batch in zip(singles, batches, strict=True)
        ]
        torch.testing.assert_close(losses, torch.cat(expected), rtol=1e-8, atol=0)
    scores = together.evaluate(pixels(9), labels)
    for state, score, single in zip(together.states(), scores, singles, strict=True):
        (expected_state,) = single.states()
        assert state.pop("schedule") == expected_state.pop("schedule")
        for part in ("network", "average"):
            torch.testing.assert_close(
                dict(state.get(part, {})),
                dict(expected_state.get(part, {})),
                rtol=1e-6,
                atol=1e-7,
            )
        assert score == pytest.approx(single.evaluate(pixels(9), labels)[0], rel=1e-6)


def in_double(learner: Learner) -> Learner:
    learner._network.double()
    if learner._average:
        learner._average.double()
    learner._mean, learner._spread = learner._mean.double(), learner._spread.double()
    return learner


def test_networks_go_on_together_and_alone(make: Make) -> None:
    """What is saved of each is as if it were alone, and what was alone goes on together."""
    labels = torch.arange(16)
    batches = [torch.stack([pixels(step), pixels(step + 50)]) for step in range(6)]
    together, again, alone, other, both = (
        in_double(make(0.9, *seeds)) for seeds in ((0, 1), (2, 3), (4,), (5,), (6, 7))
    )
    for batch in batches[:3]:
        together.learn(batch, labels.expand(2, -1))
    saved = [checkpoint.encode(state) for state in together.states()]
    again.restore([checkpoint.decode(one) for one in saved])
    alone.restore([checkpoint.decode(saved[0])])
    other.restore([checkpoint.decode(saved[1])])
    singles = [*alone.states(), *other.states()]
    both.restore([checkpoint.decode(checkpoint.encode(state)) for state in singles])
    assert again.steps == alone.steps == both.steps == 3
    for batch in batches[3:]:
        expected = together.learn(batch, labels.expand(2, -1))
        assert torch.equal(again.learn(batch, labels.expand(2, -1)), expected)
        apart = [
            one.learn(images[None], labels[None])
            for one, images in zip((alone, other), batch, strict=True)
        ]
        for found in (torch.cat(apart), both.learn(batch, labels.expand(2, -1))):
            torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


def test_moments_may_lie_in_memory_as_they_like(make: Make) -> None:
    """torch's fused step mixes them up, without a word, where they lie otherwise than the weights."""
    whole, other = make(0.0), make(0.0)
    train_some(whole, 0, 3)
    (state,) = copy.deepcopy(whole.states())
    moved = 0
    for moments in state["optimizer"]["state"].values():
        for name, moment in moments.items():
            moments[name] = moment.contiguous()
            moved += moments[name].stride() != moment.stride()
    assert moved
    other.restore([state])
    assert train_some(other, 3, 6) == train_some(whole, 3, 6)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_step_neither_waits_for_its_device_nor_leaves_it(
    seeds: tuple[int, ...], make: Make
) -> None:
    """Or else it were no graph of CUDA. torch's meta device, which has no numbers, refuses both."""
    learner = make(0.0, *seeds)
    learner._network.to("meta")
    learner._mean, learner._spread = learner._mean.to("meta"), learner._spread.to("meta")
    images = torch.empty(len(seeds), 16, 1, 16, 16, dtype=torch.uint8, device="meta")
    labels = torch.empty(len(seeds), 16, dtype=torch.long, device="meta")
    losses = learner._find_gradients(images, labels)
    assert losses.shape == (len(seeds),)
    assert {one.device.type for one in learner._network.parameters()} == {"meta"}
    assert all(one.grad is not None and one.grad.is_meta for one in learner._network.parameters())
    with pytest.raises(RuntimeError, match="meta"):
        losses[0].item()
    with pytest.raises(RuntimeError, match="device"):
        learner._find_gradients(images, torch.zeros(len(seeds), 16, dtype=torch.long))


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
