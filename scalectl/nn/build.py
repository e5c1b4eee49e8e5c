"""Build baselines as torch modules."""

import torch
from torch import nn

from scalectl.arch.factory import Baseline, Factory
from scalectl.nn.blocks import Network


def build(baseline: Baseline) -> nn.Module:
    """Build a fresh network on torch's default device: (N, channels, H, W) images -> (N, classes) logits."""
    if isinstance(baseline, Factory):
        return baseline.build()
    return Network(baseline.unroll())


def build_on_meta(architecture: Baseline) -> nn.Module:
    """Build the network on the meta device: shapes only, no memory."""
    with torch.device("meta"):
        return build(architecture)
