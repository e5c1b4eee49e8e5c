"""Depthwise convolutions whose weight gradient is another convolution, on CPUs.

oneDNN has a fast kernel for that gradient where weights are 3 x 3. Larger ones go through matrix
products, one per channel, which take up to half of a step of an MBConv network. The same sum is also
a forward convolution, with the inputs of all images as channels and the gradients of their outputs as
weights; there is a fast kernel for it, of any size.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def hasten(network: nn.Module) -> nn.Module:
    """Let a network's depthwise convolutions take the faster gradient where it is faster; in place.

    Their weights, names and results stay; gradients differ by rounding alone.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_slow(module):
            module.__class__ = _Depthwise
    return network


def _is_slow(layer: nn.Conv2d) -> bool:
    return (
        layer.groups == layer.in_channels == layer.out_channels > 1
        and min(layer.kernel_size) > _FAST_KERNEL
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


_FAST_KERNEL = 3
"""Side of the largest kernel for which oneDNN's own gradient is the faster."""
_MAPS = range(2, 33)
"""Sides of outputs for which the convolution is faster: not single pixels, not large maps."""


class _Depthwise(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled() and images.is_cpu:
            outputs: Tensor = _Convolution.apply(images, self.weight, self.bias, self)
            return outputs
        return super().forward(images)


class _Convolution(torch.autograd.Function):
    """A depthwise convolution: (N, C, H, W) images, (C, 1, K, L) weights -> (N, C, h, w)."""

    @staticmethod
    def forward(
        context: Any, images: Tensor, weight: Tensor, bias: Tensor | None, layer: nn.Conv2d
    ) -> Tensor:
        context.save_for_backward(images, weight)
        context.layer = layer
        return functional.conv2d(
            images, weight, bias, layer.stride, layer.padding, groups=layer.groups
        )

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = context.saved_tensors
        layer, needed = context.layer, list(context.needs_input_grad[:3])
        quick = needed[1] and all(side in _MAPS for side in gradient.shape[2:])
        of_images, of_weight, of_bias = torch.ops.aten.convolution_backward(
            *(gradient, images, weight, [layer.out_channels]),
            *(layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups),
            (needed[0], needed[1] and not quick, needed[2]),
        )
        if quick:
            of_weight = _correlate(images, gradient, layer)
        return of_images, of_weight, of_bias, None


def _correlate(images: Tensor, gradient: Tensor, layer: nn.Conv2d) -> Tensor:
    """Compute the gradient of the weights, (C, 1, K, L), by correlating images with output gradients.

    The forward stride becomes the dilation here.
    """
    count, channels, height, width = images.shape
    side_by_side = images.permute(2, 3, 0, 1).reshape(1, height, width, count * channels)
    of_each = functional.conv2d(
        side_by_side.permute(0, 3, 1, 2),
        gradient.reshape(count * channels, 1, *gradient.shape[2:]),
        padding=layer.padding,
        dilation=layer.stride,
        groups=count * channels,
    )
    rows, columns = layer.kernel_size
    of_each = of_each[:, :, :rows, :columns].reshape(count, channels, 1, rows, columns)
    return of_each.sum(0)
