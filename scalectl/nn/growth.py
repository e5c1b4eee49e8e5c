"""Grow a trained network into a larger one of its family that begins with what the small one computes.

Wider: channels are repeated, and what reads them takes a part of each copy, so that the sum stays
(Net2Net: Chen, Goodfellow & Shlens 2016). The parts are uneven, for equal copies would learn the same
for ever (LEMON: Wang et al. 2024). Deeper: added blocks are as initialised, but give back their input.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scalectl.arch.counter import count_params
from scalectl.nn.blocks import Network, Residual


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How much of a small network became part of a larger one, in parameters."""

    used: int
    """Parameters of the small network that were taken over."""
    of_source: int
    """All parameters of the small network."""
    filled: int
    """Parameters of the larger one that come from it, copies included."""
    of_size: int
    """All parameters of the larger one."""


@torch.no_grad()
def grow(small: Network, large: Network) -> Growth:
    """Give the larger network the small one's weights and running statistics, in place.

    Exact but for rounding where resolution, classes and image channels are the same; nearly so with
    layer norms, whose means weigh repeated channels, and where an added block without a shortcut has
    another activation than ReLU. Groups that become wider (RegNet) change what is computed. A stem for
    other channels and a classifier for other classes stay as initialised.
    """
    generator = torch.Generator().manual_seed(0)
    sources = dict(small.named_modules())
    used = filled = 0
    for name, module in large.named_modules():
        source = sources.get(name)
        if source and type(source) is type(module) and _agree(name, source, module):
            _copy(source, module, generator)
            for old, new in zip(
                source.parameters(recurse=False), module.parameters(recurse=False), strict=True
            ):
                used += math.prod(map(min, zip(old.shape, new.shape, strict=True)))
                filled += new.numel()
        if isinstance(module, Residual) and isinstance(source, Residual):
            _open_shortcut(source, module, generator)
    for name, module in large.named_modules():
        if name not in sources and isinstance(module, Residual):
            (silence if module.shortcut is not None else pass_on)(module)
    return Growth(
        used=used, of_source=count_params(small), filled=filled, of_size=count_params(large)
    )


def silence(block: Residual) -> None:
    """Have a block with a shortcut give back its input, in place: zero its branch's last batch norm.

    ConvNeXt has none there, and a layer scale that starts small.
    """
    norms = [part for part in block.body.modules() if isinstance(part, nn.BatchNorm2d)]
    for last in norms[-1:]:
        nn.init.zeros_(last.weight)


def pass_on(block: Residual) -> None:
    """Have the convolutions of a block without a shortcut give back their input, in place.

    So does the block, then, if its activation changes nothing a second time, as ReLU.
    """
    for part in block.body.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.dirac_(part.weight, part.groups)


def _agree(name: str, source: nn.Module, module: nn.Module) -> bool:
    """Whether images and classes are the same at the network's ends; between them nothing is asked."""
    if isinstance(source, nn.Conv2d) and name == "stem.0":
        return source.in_channels == module.in_channels
    if isinstance(source, nn.Linear) and name == "classifier":
        return source.out_features == module.out_features
    return True


def _open_shortcut(source: Residual, block: Residual, generator: torch.Generator) -> None:
    """Have a shortcut's convolution repeat channels as the branch does, where the source had none."""
    if isinstance(source.shortcut, nn.Identity) and isinstance(block.shortcut, nn.Sequential):
        width = next(
            part for part in source.body.modules() if isinstance(part, nn.Conv2d)
        ).in_channels
        weight: Tensor = block.shortcut[0].weight  # type: ignore[assignment]
        weight.copy_(_repeat(torch.eye(width).view(width, width, 1, 1), weight.shape, generator))


def _copy(source: nn.Module, module: nn.Module, generator: torch.Generator) -> None:
    tensors = dict(source.named_parameters(recurse=False)) | dict(
        source.named_buffers(recurse=False)
    )
    for name, old in tensors.items():
        new = getattr(module, name)
        if old.dim():  # else it counts batches
            new.copy_(_repeat(old, new.shape, generator))


def _repeat(old: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Repeat a tensor's channels up to a shape: those out, and those in by parts that add up to 1."""
    grown = old[torch.arange(shape[0]) % len(old)]
    if old.dim() == 1:
        return grown
    origins = torch.arange(shape[1]) % old.shape[1]
    parts = torch.rand(shape[1], generator=generator) + 0.5
    parts /= torch.zeros(old.shape[1]).index_add_(0, origins, parts)[origins]
    return grown[:, origins] * parts.view(-1, *[1] * (old.dim() - 2))
