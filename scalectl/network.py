"""An architecture as a torch module, built with timm's public model classes."""

import timm.models
import torch
from torch import nn

from scalectl.architecture import Architecture
from scalectl.exports import Verification
from scalectl.exports.timm_module import block_arguments

_ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU}


def build(architecture: Architecture) -> nn.Module:
    """A fresh network on torch's default device: (N, 3, H, W) images -> (N, classes) logits.

    Widths are taken as they are, hence the identity in place of timm's own channel rounding.
    """
    network: nn.Module = timm.models.EfficientNet(
        block_args=[block_arguments(stage) for stage in architecture.stages],
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


def check(network: nn.Module, resolution: int, classes: int, expected_params: int) -> Verification:
    """Count parameters, and run a forward pass of shapes. The network is on the meta device."""
    params = count_params(network)
    images = torch.empty(1, 3, resolution, resolution, device="meta")
    with torch.no_grad():
        shape = tuple(network.eval()(images).shape)
    if params != expected_params:
        note = f"built {params:,} parameters, the file says {expected_params:,}"
    elif shape != (1, classes):
        note = f"a forward pass gives {shape} instead of (1, {classes})"
    else:
        note = f"built and run: {params:,} parameters, as stated"
    return Verification(
        ok=params == expected_params and shape == (1, classes), params=params, note=note
    )
