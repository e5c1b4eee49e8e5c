"""Count what a torch module costs, as a rule on the meta device, where no weights are allocated."""

from typing import TYPE_CHECKING

from scalectl.arch.cost import Cost

if TYPE_CHECKING:
    from torch import nn


def count_cost(
    network: "nn.Module", resolution: int, channels: int = 3, device: str = "meta"
) -> tuple[Cost, tuple[int, ...]]:
    """Count what one forward pass of one image costs; return that and the shape of its result.

    The network is on `device`; on the meta device there are shapes only. Counted are torch's own
    convolutions and matrix products (`FlopCounterMode`, two FLOPs for a multiply-add), and the
    elements out of `Conv2d` modules.
    """
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    elements: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, output: elements.append(output.numel()))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    images = torch.empty(1, channels, resolution, resolution, device=device)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            shape = tuple(network.eval()(images).shape)
    finally:
        for hook in hooks:
            hook.remove()
    macs = counter.get_total_flops() // 2
    return Cost(params=count_params(network), macs=macs, activations=sum(elements)), shape


def count_params(network: "nn.Module") -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
