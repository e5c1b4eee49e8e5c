from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from scalectl import blocks, stacking
from scalectl.baselines import baseline
from scalectl.grid import Proxy, shrink
from scalectl.learner import start_as_identity

SEEDS = 3
NETWORKS = (
    "convnext_tiny",
    "efficientnet_b0",
    "efficientnetv2_s",
    "mobilenetv1_100",
    "mobilenetv3_large_100",
    "regnety_002",
    "resnet18",
    "resnet50",
)
"""All kinds of blocks, stems and heads."""


def make_networks(name: str) -> list[blocks.Network]:
    """Small ones of different weights, in double precision."""
    small = shrink(baseline(name), Proxy(width=0.1, resolution=32), 5)
    networks = list[blocks.Network]()
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        network = blocks.Network(small.unroll())
        start_as_identity(network)
        networks.append(network.double())
    return networks


def make_batches() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    grey = torch.rand(SEEDS, 4, 1, 32, 32, generator=generator, dtype=torch.double)
    # As a learner gives them; a stem's gradient then has an order of its own in memory.
    images = grey.expand(-1, -1, 3, -1, -1)
    return images, torch.randint(0, 5, (SEEDS, 4), generator=generator)


def find_gradients(network: nn.Module, logits: Tensor, labels: Tensor) -> None:
    network.zero_grad()
    pairs = zip(logits, labels, strict=True)
    torch.stack([functional.cross_entropy(*pair) for pair in pairs]).sum().backward()


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_computes_what_it_would_alone(name: str) -> None:
    """Logits, gradients, clipping and statistics, in training and in evaluation."""
    networks = make_networks(name)
    stacked = stacking.stack(networks)
    images, labels = make_batches()
    for _ in range(2):
        find_gradients(stacked, stacking.call(stacked, images), labels)
        stacking.clip_each(stacked, SEEDS, 0.5)
        for index, network in enumerate(networks):
            find_gradients(network, network(images[index])[None], labels[index][None])
            norm = nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            assert norm > 0.5
            for ours, alone in zip(stacked.parameters(), network.parameters(), strict=True):
                found = stacking.take(ours.grad, index, SEEDS)
                torch.testing.assert_close(found, alone.grad, rtol=1e-9, atol=1e-10)
    for index, network in enumerate(networks):
        state = stacking.take(stacked.state_dict(), index, SEEDS)
        torch.testing.assert_close(state, dict(network.state_dict()), rtol=1e-9, atol=1e-12)
    stacked.eval()
    expected = torch.stack([one.eval()(images[index]) for index, one in enumerate(networks)])
    torch.testing.assert_close(stacking.call(stacked, images), expected, rtol=1e-9, atol=1e-10)


def test_a_small_gradient_is_not_scaled() -> None:
    """Each network is clipped by its own norm."""
    stacked = stacking.stack(make_networks("resnet18"))
    scales = torch.tensor([1e-3, 1.0, 1e3], dtype=torch.double)
    for one in stacked.parameters():
        one.grad = torch.ones_like(one)
        one.grad.unflatten(0, (SEEDS, -1)).mul_(scales.view(-1, *[1] * one.dim()))
    stacking.clip_each(stacked, SEEDS, 10.0)
    count = sum(one.numel() for one in stacked.parameters()) / SEEDS
    for index, scale in enumerate(scales.tolist()):
        parts = [stacking.take(one.grad, index, SEEDS) for one in stacked.parameters()]
        norm = sum(part.square().sum().item() for part in parts) ** 0.5
        assert norm == pytest.approx(min(10.0, scale * count**0.5))


@pytest.mark.parametrize("draws", [{"dropout": 0.5}, {"drop_path": 0.5}])
def test_networks_that_draw_are_refused(draws: dict[str, float]) -> None:
    """Their draws could not be those that they would make alone."""
    drawing = replace(baseline("efficientnet_b0"), **{"dropout": 0.0, "drop_path": 0.0, **draws})
    with pytest.raises(ValueError, match="are trained alone"):
        stacking.stack([blocks.Network(drawing.unroll()) for _ in range(2)])


def test_layers_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="Conv1d cannot be stacked"):
        stacking.stack([nn.Sequential(nn.Conv1d(2, 3, 1)) for _ in range(2)])


def test_in_mixed_precision_too_layers_compute_in_the_lower_one() -> None:
    """As on a GPU: errors are those of each network alone, no fewer and no more."""
    networks = [one.float() for one in make_networks("convnext_tiny")]
    stacked = stacking.stack(networks)
    images = make_batches()[0].float()
    exact = torch.stack([one(images[index]) for index, one in enumerate(networks)])
    with torch.autocast("cpu", torch.bfloat16):
        ours = stacking.call(stacked, images)
        alone = torch.stack([one(images[index]) for index, one in enumerate(networks)])
    assert ours.dtype == alone.dtype == torch.bfloat16
    errors = [(one - exact).square().mean().sqrt().item() for one in (ours, alone)]
    assert errors[0] == pytest.approx(errors[1], rel=0.5)


def test_states_are_taken_apart_and_united() -> None:
    """To the bit; numbers, such as of batches seen, are common to all."""
    networks = make_networks("resnet18")
    whole = {"network": stacking.stack(networks).state_dict(), "steps": 3, "names": ["a"]}
    parts = [stacking.take(whole, index, SEEDS) for index in range(SEEDS)]
    for part, network in zip(parts, networks, strict=True):
        for name, value in network.state_dict().items():
            assert torch.equal(part["network"][name], value)
    again = stacking.unite(parts)
    assert again.keys() == whole.keys()
    for name, value in stacking.stack(networks).state_dict().items():
        assert torch.equal(again["network"][name], value)
