from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm import layers
from torch.utils.flop_counter import FlopCounterMode

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import find_architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.cost import Cost
from scalectl.arch.counter import count_cost, count_params
from scalectl.arch.factory import cost_of
from scalectl.arch.loading import load_network
from scalectl.arch.rounding import make_divisible
from scalectl.arch.sizes import official_size
from scalectl.exports import verify, write
from scalectl.nn.build import build_on_meta
from scalectl.search.candidates import shrink
from scalectl.search.config import Proxy


def count(network: torch.nn.Module, resolution: int) -> tuple[int, int]:
    images = torch.empty(1, 3, resolution, resolution, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(images)
    return count_params(network), counter.get_total_flops() // 2


@pytest.mark.parametrize("name", ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"])
def test_arithmetic_equals_timms_published_network(name: str) -> None:
    """Parameters and multiply-adds, to the unit."""
    architecture = find_architecture(name)
    with torch.device("meta"):
        network = timm.create_model(f"efficientnet_{name}")
    cost = cost_of(architecture)
    assert (cost.params, cost.macs) == count(network, architecture.resolution)


@pytest.mark.parametrize(
    "architecture",
    [B0, find_architecture("b3"), shrink(B0, Proxy(), classes=10)],
    ids=["b0", "b3", "proxy"],
)
def test_arithmetic_equals_the_network_that_is_trained(architecture: Architecture) -> None:
    """Counted on the built network."""
    cost = cost_of(architecture)
    assert (cost.params, cost.macs) == count(build_on_meta(architecture), architecture.resolution)


def test_activations_of_the_baseline() -> None:
    """Every element that a convolution of timm's B0 puts out."""
    with torch.device("meta"):
        network = timm.create_model("efficientnet_b0").eval()
    counted: list[int] = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, output: counted.append(output.numel()))
    network(torch.empty(1, 3, 224, 224, device="meta"))
    assert cost_of(B0).activations == sum(counted)


@given(st.floats(1, 4000), st.sampled_from([4, 8, 16]))
def test_width_rounding_is_that_of_the_field(width: float, divisor: int) -> None:
    """The reference is timm's."""
    assert make_divisible(width, divisor) == layers.make_divisible(width, divisor)


def test_costs_add() -> None:
    """Part by part."""
    assert Cost(1, 2, 3) + Cost(1, 2, 3) == Cost(1, 2, 3) * 2


def test_an_expansion_to_unchanged_width_is_kept(tmp_path: Path) -> None:
    """FBNet's "ir_e1" of timm, from a file of stages to the libraries that have it."""
    path = tmp_path / "net.toml"
    path.write_text(
        "[architecture]\nresolution = 64\nstem_width = 16\nhead_width = 64\nclasses = 10\n"
        "[[architecture.stages]]\nrepeats = 2\nwidth = 16\nalways_expand = true\n"
    )
    network = load_network(path)
    assert isinstance(network, Architecture)
    plain = replace(network, stages=(replace(network.stages[0], always_expand=False),))
    assert cost_of(network).params - cost_of(plain).params == 2 * (16 * 16 + 2 * 16)
    assert network.fingerprint != plain.fingerprint
    assert count_cost(build_on_meta(network), 64)[0] == cost_of(network)
    size = replace(official_size("b0"), architecture=network, cost=cost_of(network))
    theirs = timm.create_model("fbnetc_100").blocks[0][0]
    assert theirs.conv_pw.in_channels == theirs.conv_pw.out_channels
    assert verify(Path(str(write(size, "timm", tmp_path, verify=False).path)))[1].ok
    assert write(size, "torchvision", tmp_path, verify=False).path is None
