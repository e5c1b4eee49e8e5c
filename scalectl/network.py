"""An architecture as a torch module, and what is counted on one."""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scalectl import factory
from scalectl.blocks import Network
from scalectl.cost import Cost
from scalectl.exports import Verification
from scalectl.factory import Baseline, Factory


def build(baseline: Baseline) -> nn.Module:
    """A fresh network on torch's default device: (N, 3, H, W) images -> (N, classes) logits."""
    if isinstance(baseline, Factory):
        return factory.build(baseline)
    return Network(baseline.unroll())


def count(network: nn.Module, resolution: int) -> tuple[Cost, tuple[int, ...]]:
    """What one forward pass of one image costs, and the shape of its result.

    The network and its images are on the meta device: shapes only. Counted are torch's own
    convolutions and matrix products (`FlopCounterMode`, two FLOPs for a multiply-add), and the
    elements out of `Conv2d` modules.
    """
    elements: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, output: elements.append(output.numel()))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    images = torch.empty(1, 3, resolution, resolution, device="meta")
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            shape = tuple(network.eval()(images).shape)
    finally:
        for hook in hooks:
            hook.remove()
    macs = counter.get_total_flops() // 2
    return Cost(params=count_params(network), macs=macs, activations=sum(elements)), shape


def count_params(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def build_on_meta(architecture: Baseline) -> nn.Module:
    """The network without weights: shapes only, no memory."""
    with torch.device("meta"):
        return build(architecture)


def check(network: nn.Module, claims: dict[str, Any]) -> Verification:
    """Count on the meta device, and compare with what a file claims of its network."""
    expected, resolution, classes = claims["params"], claims["input_size"][1], claims["classes"]
    cost, shape = count(network, resolution)
    forward_ok = shape == (1, classes)
    if cost.params != expected:
        note = f"built {cost.params:,} parameters, the file says {expected:,}"
    elif cost.macs != claims["macs"]:
        note = f"built {cost.macs:,} multiply-adds, the file says {claims['macs']:,}"
    elif not forward_ok:
        note = f"a forward pass gives {shape} instead of (1, {classes})"
    else:
        note = f"built and run: {cost.params:,} parameters, {cost.macs:,} MACs, as stated"
    return Verification(
        ok=(cost.params, cost.macs, shape) == (expected, claims["macs"], (1, classes)),
        expected_params=expected,
        params=cost.params,
        forward_ok=forward_ok,
        note=note,
    )
