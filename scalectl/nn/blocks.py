"""Build blocks and networks in plain torch. The format "torch" writes this text into its files."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
}


class Network(nn.Module):
    """A whole network: (N, channels, H, W) images -> (N, classes) logits; features of no classes."""

    def __init__(self, network: dict[str, Any]) -> None:
        """Take an unrolled network: the stem, the head, and every block with all of its numbers."""
        super().__init__()
        first = network["stages"][0][0]
        last = network["stages"][-1][-1]
        features = network["head_width"] or last["out"]
        self.dropout = network["dropout"]
        self.stem = nn.Sequential(*list_stem(network))
        self.stages = nn.Sequential(*list_stages(network))
        self.head = nn.Sequential(*list_head(network, last))
        classes = network["classes"]
        self.classifier = nn.Linear(features, classes) if classes else nn.Identity()
        start(self, truncated=first["kind"] == "convnext")

    def forward(self, images: Tensor) -> Tensor:
        features = self.head(self.stages(self.stem(images))).flatten(1)
        if self.dropout:
            features = functional.dropout(features, self.dropout, self.training)
        logits: Tensor = self.classifier(features)
        return logits


class Residual(nn.Module):
    """A body with a shortcut around it; in training, images drop the body's result at random."""

    def __init__(
        self,
        body: Iterable[nn.Module],
        shortcut: nn.Module | None,
        drop_path: float = 0.0,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = shortcut
        self.drop_path = drop_path
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.body(inputs)
        if self.shortcut is not None:
            if self.drop_path and self.training:
                keep = 1 - self.drop_path
                kept = outputs.new_empty(len(outputs), 1, 1, 1).bernoulli_(keep)
                outputs = outputs * kept.div_(keep)
            outputs = outputs + self.shortcut(inputs)
        return outputs if self.activation is None else self.activation(outputs)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate that is computed from all channels' means (Hu et al. 2018)."""

    def __init__(self, width: int, squeezed: int, activation: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(width, squeezed, 1)
        self.activation = activation
        self.expand = nn.Conv2d(squeezed, width, 1)
        self.gate = gate

    def forward(self, inputs: Tensor) -> Tensor:
        means = inputs.mean((2, 3), keepdim=True)
        gates: Tensor = self.gate(self.expand(self.activation(self.reduce(means))))
        return inputs * gates


class PerPixel(nn.Module):
    """Layers that act on each pixel's channels alone; channels are moved last for them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layers(inputs.permute(0, 2, 3, 1))
        return outputs.permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """A learned factor per channel, small at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.scale


def list_stem(network: dict[str, Any]) -> Iterator[nn.Module]:
    """Yield the layers before the first stage."""
    width, activation = network["stem_width"], network["activation"]
    channels = network["channels"]
    if network["stem"] == "patch4x4":
        yield nn.Conv2d(channels, width, 4, stride=4)
        yield PerPixel(nn.LayerNorm(width, eps=1e-6))
    elif network["stem"] == "conv7x7_pool":
        yield from convolve(channels, width, 7, stride=2, activation=activation)
        yield nn.MaxPool2d(3, stride=2, padding=1)
    else:
        yield from convolve(channels, width, 3, stride=2, activation=activation)


def list_stages(network: dict[str, Any]) -> Iterator[nn.Module]:
    """Yield each stage; block i of n drops its residual branch with i / n of `drop_path`."""
    total = sum(len(stage) for stage in network["stages"])
    number = 0
    for stage in network["stages"]:
        blocks = []
        for block in stage:
            drop_path = network["drop_path"] * number / total
            blocks.append(BUILDERS[block["kind"]](block, network["squeeze"], drop_path))
            number += 1
        yield nn.Sequential(*blocks)


def list_head(network: dict[str, Any], last: dict[str, Any]) -> Iterator[nn.Module]:
    """Yield the layers between the last block and the classifier, the pooling among them."""
    width, activation = network["head_width"], network["activation"]
    if width and network["head"] == "conv":
        yield from convolve(last["out"], width, 1, activation=activation)
    yield nn.AdaptiveAvgPool2d(1)
    if width and network["head"] == "pooled_conv":
        yield nn.Conv2d(last["out"], width, 1)
        yield ACTIVATIONS[activation]()
    elif not width and last["kind"] == "convnext":
        yield PerPixel(nn.LayerNorm(last["out"], eps=1e-6))


def build_mbconv(block: dict[str, Any], squeeze: str, drop_path: float) -> nn.Module:
    width, hidden, act = block["width"], block["hidden"], block["activation"]
    body: list[nn.Module] = []
    if block["expands"]:
        body += convolve(width, hidden, 1, activation=act)
    body += convolve(hidden, hidden, block["kernel"], block["stride"], hidden, act)
    body += squeeze_excite(block, squeeze)
    body += convolve(hidden, block["out"], 1)
    return Residual(body, nn.Identity() if block["skip"] else None, drop_path)


def build_fused(block: dict[str, Any], squeeze: str, drop_path: float) -> nn.Module:
    width, hidden, act = block["width"], block["hidden"], block["activation"]
    kernel, stride = block["kernel"], block["stride"]
    if hidden == width:
        body = [*convolve(width, block["out"], kernel, stride, activation=act)]
    else:
        body = [*convolve(width, hidden, kernel, stride, activation=act)]
        body += squeeze_excite(block, squeeze)
        body += convolve(hidden, block["out"], 1)
    return Residual(body, nn.Identity() if block["skip"] else None, drop_path)


def build_separable(block: dict[str, Any], squeeze: str, _drop_path: float) -> nn.Module:
    width, act = block["width"], block["activation"]
    body = [*convolve(width, width, block["kernel"], block["stride"], width, act)]
    body += squeeze_excite(block, squeeze)
    body += convolve(width, block["out"], 1, activation=act)
    return Residual(body, None)


def build_basic(block: dict[str, Any], _squeeze: str, drop_path: float) -> nn.Module:
    out, kernel, act = block["out"], block["kernel"], block["activation"]
    body = [*convolve(block["width"], out, kernel, block["stride"], activation=act)]
    body += convolve(out, out, kernel)
    return Residual(body, project(block), drop_path, ACTIVATIONS[act]())


def build_bottleneck(block: dict[str, Any], squeeze: str, drop_path: float) -> nn.Module:
    hidden, kernel, act = block["hidden"], block["kernel"], block["activation"]
    body = [*convolve(block["width"], hidden, 1, activation=act)]
    body += convolve(hidden, hidden, kernel, block["stride"], block["groups"], act)
    body += squeeze_excite(block, squeeze)
    body += convolve(hidden, block["out"], 1)
    return Residual(body, project(block), drop_path, ACTIVATIONS[act]())


def build_convnext(block: dict[str, Any], _squeeze: str, drop_path: float) -> nn.Module:
    width, out, stride = block["width"], block["out"], block["stride"]
    body = [
        nn.Conv2d(out, out, block["kernel"], padding=block["kernel"] // 2, groups=out),
        PerPixel(
            nn.LayerNorm(out, eps=1e-6),
            nn.Linear(out, block["hidden"]),
            ACTIVATIONS[block["activation"]](),
            nn.Linear(block["hidden"], out),
            LayerScale(out),
        ),
    ]
    residual = Residual(body, nn.Identity(), drop_path)
    if stride == 1 and width == out:
        return residual
    norm = PerPixel(nn.LayerNorm(width, eps=1e-6))
    return nn.Sequential(norm, nn.Conv2d(width, out, stride, stride=stride), residual)


BUILDERS = {
    "mbconv": build_mbconv,
    "fused": build_fused,
    "separable": build_separable,
    "basic": build_basic,
    "bottleneck": build_bottleneck,
    "convnext": build_convnext,
}


def convolve(
    width: int,
    out: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Iterator[nn.Module]:
    """Yield a convolution padded by half a kernel, its batch norm, and the activation, if any."""
    yield nn.Conv2d(
        width, out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )
    yield nn.BatchNorm2d(out)
    if activation:
        yield ACTIVATIONS[activation]()


def squeeze_excite(block: dict[str, Any], squeeze: str) -> Iterator[nn.Module]:
    """Yield the squeeze-and-excitation of a block, if it has one."""
    if block["squeezed"] and squeeze == "hidden":
        yield SqueezeExcite(block["hidden"], block["squeezed"], nn.ReLU(), nn.Hardsigmoid())
    elif block["squeezed"]:
        activation = ACTIVATIONS[block["activation"]]()
        yield SqueezeExcite(block["hidden"], block["squeezed"], activation, nn.Sigmoid())


def project(block: dict[str, Any]) -> nn.Module:
    """Build the shortcut of a block: a 1x1 convolution where size or width change."""
    if block["stride"] == 1 and block["width"] == block["out"]:
        return nn.Identity()
    return nn.Sequential(*convolve(block["width"], block["out"], 1, block["stride"]))


def start(network: nn.Module, *, truncated: bool) -> None:
    """Draw weights in place as the official codes do: by fan-out; truncated normal for ConvNeXt."""
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if truncated:
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
        else:
            bound = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
