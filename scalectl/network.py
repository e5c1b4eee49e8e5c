"""An architecture as a torch module, built with timm's public model classes."""

from typing import Any

import timm.models
import torch
from torch import nn

from scalectl.architecture import Architecture, Stage

_ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU}


def build(architecture: Architecture) -> nn.Module:
    """A fresh network on torch's default device: (N, 3, H, W) images -> (N, classes) logits.

    Widths are taken as they are, hence the identity in place of timm's own channel rounding.
    """
    network: nn.Module = timm.models.EfficientNet(
        block_args=[_block_arguments(stage) for stage in architecture.stages],
        num_classes=architecture.classes,
        num_features=architecture.head_width,
        stem_size=architecture.stem_width,
        act_layer=_ACTIVATIONS[architecture.activation],
        round_chs_fn=int,
        drop_rate=architecture.dropout,
        drop_path_rate=architecture.drop_path,
    )
    return network


def count_params(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def build_on_meta(architecture: Architecture) -> nn.Module:
    """The network without weights: shapes only, no memory."""
    with torch.device("meta"):
        return build(architecture)


def _block_arguments(stage: Stage) -> list[dict[str, Any]]:
    """Timm's arguments of each block of a stage; without expansion the block is separable ("ds")."""
    shared = {
        "dw_kernel_size": stage.kernel,
        "pw_kernel_size": 1,
        "out_chs": stage.width,
        "se_ratio": stage.se_ratio,
        "act_layer": None,
        "noskip": False,
    }
    if stage.expansion == 1:
        kind: dict[str, Any] = {"block_type": "ds"}
    else:
        kind = {"block_type": "ir", "exp_kernel_size": 1, "exp_ratio": float(stage.expansion)}
    return [
        {**kind, **shared, "stride": stage.stride if block == 0 else 1}
        for block in range(stage.repeats)
    ]
