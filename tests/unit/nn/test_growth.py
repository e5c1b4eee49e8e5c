"""A grown network begins with what the small one computes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import finish
from torch import nn

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines import find_architecture
from scalectl.arch.scaling import Multipliers, scale
from scalectl.data import Dataset, Split, open_dataset
from scalectl.nn.blocks import Network
from scalectl.nn.growth import grow
from scalectl.search.config import Proxy
from scalectl.training.learner import Images, Learner
from scalectl.trial import Limits


def stir(network: nn.Module) -> nn.Module:
    """Weights and running statistics as if it had been trained."""
    for name, value in network.state_dict().items():
        if name.endswith("running_var") or (value.dim() == 1 and name.endswith("weight")):
            value.uniform_(0.5, 1.5)
        elif value.dim() == 1:
            value.uniform_(-0.2, 0.2)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "width", "exact"),
    [
        ("efficientnet_b0", 0.5, True),
        ("mobilenetv1_100", 0.25, True),  # no shortcuts
        ("resnet18", 1.0, True),  # shortcuts that become convolutions
        ("resnet50", 0.2, True),
        ("mobilenetv3_small_100", 0.5, False),  # its last block has no shortcut
        ("convnext_tiny", 0.25, False),  # layer norms
    ],
)
def test_deeper_and_wider_computes_the_same(name: str, width: float, exact: bool) -> None:
    """To rounding, or nearly."""
    torch.manual_seed(0)
    small = scale(find_architecture(name), Multipliers(0.6, width, 0.25))
    large = scale(small, Multipliers(1.5, 1.3))
    ours, grown = stir(Network(small.unroll())), Network(large.unroll()).eval()
    assert isinstance(ours, Network)
    growth = grow(ours, grown)
    images = torch.randn(4, 3, 48, 48)
    with torch.no_grad():
        expected, logits = ours(images), grown(images)
    if exact:
        torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)
    else:
        assert torch.corrcoef(torch.stack([logits.flatten(), expected.flatten()]))[0, 1] > 0.9
    assert (
        growth.used == growth.of_source == sum(parameter.numel() for parameter in ours.parameters())
    )
    assert growth.used < growth.filled < growth.of_size
    assert growth.of_size == sum(parameter.numel() for parameter in grown.parameters())


def test_copies_do_not_stay_equal() -> None:
    """What reads them takes uneven parts, and so their gradients differ."""
    network = Architecture(
        name="n",
        resolution=16,
        classes=5,
        stem_width=8,
        stages=(Stage(block="basic", repeats=1, width=8),),
    )
    wide = scale(network, Multipliers(1, 2))
    grown = Network(wide.unroll())
    grow(Network(network.unroll()), grown)
    grown(torch.randn(8, 3, 16, 16)).square().sum().backward()
    weight = grown.get_parameter("stem.0.weight")
    assert torch.equal(weight[:8], weight[8:])
    assert weight.grad is not None
    assert not torch.allclose(weight.grad[:8], weight.grad[8:])


def test_other_classes_and_channels_begin_anew() -> None:
    """All between the ends is used."""
    small = scale(find_architecture("resnet18"), Multipliers(1, 0.125))
    large = replace(small, classes=10, channels=1)
    ours, grown = Network(small.unroll()), Network(large.unroll())
    growth = grow(ours, grown)
    kept = [
        ours.get_parameter(name)
        for name in ("stem.0.weight", "classifier.weight", "classifier.bias")
    ]
    assert growth.of_source - growth.used == sum(tensor.numel() for tensor in kept)
    name = "stages.0.0.body.0.weight"
    assert torch.equal(grown.get_parameter(name), ours.get_parameter(name))


@pytest.fixture(scope="module")
def glyphs() -> Dataset:
    return open_dataset("glyphs", Limits(train=1500, select=400, test=16))


def load(glyphs: Dataset, split: Split, resolution: int) -> Images:
    pixels, labels = zip(*glyphs.render(split, resolution), strict=True)
    return Images(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), torch.tensor(labels))


def test_a_scaled_network_starts_above_chance(glyphs: Dataset) -> None:
    """A small network is trained for some seconds; scaled, and before any training, it knows as much."""
    network = Architecture(
        name="tiny",
        resolution=24,
        classes=glyphs.card.classes,
        stem_width=16,
        activation="relu",
        stages=(
            Stage(block="basic", repeats=1, width=16),
            Stage(block="basic", repeats=2, width=32, stride=2),
            Stage(block="basic", repeats=2, width=64, stride=2),
        ),
    )
    torch.manual_seed(0)
    small = Network(network.unroll())
    images = load(glyphs, "train", network.resolution)
    recipe = replace(Proxy().recipe, epochs=EPOCHS, batch_size=32, ema=0.0)
    learner = Learner(small, recipe, images, flip=False)
    for _ in range(EPOCHS):
        finish(learner.learn(torch.randperm(len(images)), torch.rand(len(images), 3)))

    def score(grown: Network, resolution: int) -> float:
        judge = Learner(grown, recipe, load(glyphs, "train", resolution), flip=False)
        return finish(judge.evaluate(load(glyphs, "select", resolution))).top1

    known = score(small, network.resolution)
    assert known > 3 / network.classes
    for multipliers in (Multipliers(1.5, 1.5), Multipliers(1.4, 1.2, 1.25)):
        size = scale(network, multipliers)
        grown = Network(size.unroll())
        assert score(grown, network.resolution) < 2 / network.classes
        grow(small, grown)
        assert score(grown, network.resolution) == pytest.approx(known, abs=0.02)
        expected = score(small, size.resolution)  # larger images are new to it, and to its copy
        assert score(grown, size.resolution) == pytest.approx(expected, abs=0.02)


EPOCHS = 4
