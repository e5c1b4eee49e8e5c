"""Several networks of one shape as one, for one step of all: each is a group of every layer's channels.

A GPU waits for the calls of a small network more than it computes; side by side, S networks take the
calls of one. Each computes what it would alone, up to rounding, since sums may run in another order.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from scalectl.blocks import LayerScale, Network, Residual

_TINY = 1e-6
"""What torch adds to a norm before it divides by it (`clip_grad_norm_`)."""


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """A module for `call`. Its tensors are those of the networks, joined along their first dimension.

    Single numbers, such as how many batches were seen, are common to all. Raises `ValueError` for
    networks that draw at random, which they could not do as they do alone, and for layers that
    `blocks` does not know.
    """
    stacked = copy.deepcopy(networks[0])
    for part, *parts in zip(
        stacked.modules(), *(network.modules() for network in networks), strict=True
    ):
        if isinstance(part, Network | Residual) and _draws(part):
            raise ValueError("networks with dropout or drop-path are trained alone")
        for name in dict(part.named_parameters(recurse=False)):
            each = [getattr(one, name).detach() for one in parts]
            setattr(part, name, nn.Parameter(torch.cat(each)))
        for name in dict(part.named_buffers(recurse=False)):
            if getattr(part, name).dim():
                setattr(part, name, torch.cat([getattr(one, name) for one in parts]))
        _widen(part, len(networks))
    return stacked


def call(stacked: nn.Module, images: Tensor) -> Tensor:
    """(S, N, C, H, W) images, N for each network -> (S, N, classes) logits."""
    joined = images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)
    logits: Tensor = stacked(joined).unflatten(1, (len(images), -1))
    return logits.transpose(0, 1)


def clip_each(stacked: nn.Module, count: int, limit: float) -> None:
    """Clip the gradient of each network to a norm, as `clip_grad_norm_` does it for one."""
    gradients = [
        one.grad.unflatten(0, (count, -1)) for one in stacked.parameters() if one.grad is not None
    ]
    norms = torch.stack([torch.linalg.vector_norm(one.flatten(1), dim=1) for one in gradients])
    factors = (limit / (torch.linalg.vector_norm(norms, dim=0) + _TINY)).clamp(max=1)
    for one in gradients:
        one.mul_(factors.view(-1, *[1] * (one.dim() - 1)))


def take(state: Any, index: int, count: int) -> Any:
    """The part of one of `count` networks in what `state_dict` gives of stacked ones."""
    if isinstance(state, Tensor):
        return state.unflatten(0, (count, -1))[index] if state.dim() else state
    if isinstance(state, dict):
        return {key: take(part, index, count) for key, part in state.items()}
    return state


def unite(states: Sequence[Any]) -> Any:
    """The inverse of `take`."""
    first = states[0]
    if isinstance(first, Tensor):
        return torch.cat(tuple(states)) if first.dim() else first
    if isinstance(first, dict):
        return {key: unite([one[key] for one in states]) for key in first}
    return first


def _draws(part: Network | Residual) -> bool:
    return bool(part.dropout if isinstance(part, Network) else part.drop_path)


def _widen(part: nn.Module, count: int) -> None:
    """A layer whose tensors are joined already."""
    if isinstance(part, nn.Conv2d):
        part.in_channels *= count
        part.out_channels *= count
        part.groups *= count
    elif isinstance(part, nn.BatchNorm2d):
        part.num_features *= count
    elif isinstance(part, nn.Linear):
        part.__class__ = _Linears
    elif isinstance(part, nn.LayerNorm):
        part.__class__ = _Norms
    elif not isinstance(part, LayerScale) and any(True for _ in part.parameters(recurse=False)):
        raise ValueError(f"{type(part).__name__} cannot be stacked")


class _Linears(nn.Linear):
    """(..., S x in) -> (..., S x out)."""

    def forward(self, inputs: Tensor) -> Tensor:
        each = inputs.unflatten(-1, (-1, self.in_features))
        weights = self.weight.unflatten(0, (-1, self.out_features))
        outputs = torch.einsum("...si,soi->...so", each, weights).flatten(-2)
        return outputs + self.bias.to(outputs.dtype)


class _Norms(nn.LayerNorm):
    """Each over its own part of the last dimension."""

    def forward(self, inputs: Tensor) -> Tensor:
        each = inputs.unflatten(-1, (-1, *self.normalized_shape))
        even = functional.layer_norm(each, self.normalized_shape, eps=self.eps).flatten(-2)
        return even * self.weight + self.bias
