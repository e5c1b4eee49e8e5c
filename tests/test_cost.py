import random
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers import make_divisible
from torch.utils.flop_counter import FlopCounterMode

from scalectl.architecture import Architecture, RoundingRule, round_width
from scalectl.baselines import BASELINES, baseline
from scalectl.baselines.efficientnet import B0
from scalectl.cost import Cost, measure, measure_all
from scalectl.errors import ScalectlError
from scalectl.grid import Proxy, shrink
from scalectl.network import build_on_meta, count_params
from scalectl.scaling import Multipliers, scale


def count(network: torch.nn.Module, resolution: int) -> tuple[int, int]:
    images = torch.empty(1, 3, resolution, resolution, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(images)
    return count_params(network), counter.get_total_flops() // 2


@pytest.mark.parametrize("name", ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"])
def test_arithmetic_equals_timms_published_network(name: str) -> None:
    """Parameters and multiply-adds, to the unit."""
    architecture = baseline(name)
    with torch.device("meta"):
        network = timm.create_model(f"efficientnet_{name}")
    cost = measure(architecture)
    assert (cost.params, cost.macs) == count(network, architecture.resolution)


@pytest.mark.parametrize(
    "architecture", [B0, baseline("b3"), shrink(B0, Proxy(), classes=10)], ids=["b0", "b3", "proxy"]
)
def test_arithmetic_equals_the_network_that_is_trained(architecture: Architecture) -> None:
    """Counted on the built network."""
    cost = measure(architecture)
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
    assert measure(B0).activations == sum(counted)


@given(st.floats(1, 4000), st.sampled_from([4, 8, 16]))
def test_width_rounding_is_that_of_the_field(width: float, divisor: int) -> None:
    """timm's make_divisible."""
    assert round_width(width, divisor) == make_divisible(width, divisor)


@pytest.mark.parametrize("name", BASELINES)
def test_many_costs_are_those_of_each(name: str) -> None:
    """Of random sizes of each published network, by either rule, to the unit; and so are the sizes."""
    base, draw = BASELINES[name].architecture, random.Random(name)
    for rule in get_args(RoundingRule):
        rounding = replace(base.rounding, rule=rule)
        # 1 is a case of its own: it leaves a size as it is, rounded or not.
        drawn = [[draw.choice((1.0, draw.uniform(0.3, 4))) for _ in range(3)] for _ in range(40)]
        sizes = [scale(base, Multipliers(*one), rounding) for one in drawn]
        costs = [measure(size) for size in sizes]
        assert measure_all(sizes) == costs
        together = measure(scale(base, Multipliers(*np.array(drawn).T), rounding))
        assert list(together.macs) == [cost.macs for cost in costs]
        assert list(together.params) == [cost.params for cost in costs]
        assert list(together.activations) == [cost.activations for cost in costs]


def test_only_sizes_of_one_network_are_counted_together() -> None:
    """Others would get each other's blocks."""
    assert measure_all([]) == []
    with pytest.raises(ValueError, match="not sizes of one network"):
        measure_all([B0, baseline("v2_s")])
    with pytest.raises(ValueError, match="not sizes of one network"):
        measure_all([B0, replace(B0, head_width=0)])


def test_what_64_bits_cannot_hold_is_refused() -> None:
    """By the name of the network; one alone is counted all the same."""
    vast = scale(B0, Multipliers(width=2000.0, resolution=30.0))
    assert measure(vast).macs > 2**50
    with pytest.raises(ScalectlError, match="efficientnet_b0 has 640,000 channels on 6,720 px"):
        measure_all([vast])


def test_costs_add() -> None:
    """Part by part."""
    assert Cost(1, 2, 3) + Cost(1, 2, 3) == Cost(1, 2, 3).times(2)
