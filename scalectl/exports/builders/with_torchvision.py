"""Build networks with torchvision's classes."""

from typing import Any

from torch import nn
from torchvision.models import ConvNeXt, EfficientNet, MobileNetV2, MobileNetV3, RegNet, ResNet
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig
from torchvision.models.regnet import BlockParams
from torchvision.models.resnet import BasicBlock, Bottleneck


def build_network(network: dict[str, Any]) -> nn.Module:
    """Build with the class that has such blocks."""
    kinds = {block["kind"] for stage in network["stages"] for block in stage}
    if "convnext" in kinds:
        return build_convnext(network)
    if kinds & {"basic", "bottleneck"}:
        return build_resnet(network) if network["stem"] != "conv3x3" else build_regnet(network)
    if network["head"] == "pooled_conv":
        return build_mobilenetv3(network)
    if network["activation"] == "relu6":
        return build_mobilenetv2(network)
    return build_efficientnet(network)


def build_efficientnet(network: dict[str, Any]) -> nn.Module:
    settings = []
    for stage in network["stages"]:
        first = stage[0]
        factory = FusedMBConvConfig if first["kind"] == "fused" else MBConvConfig
        settings.append(
            factory(
                first["hidden"] / first["width"],
                first["kernel"],
                first["stride"],
                first["width"],
                first["out"],
                len(stage),
            )
        )
    return EfficientNet(
        settings,
        dropout=network["dropout"],
        stochastic_depth_prob=network["drop_path"],
        num_classes=network["classes"],
        # Its default is another head than EfficientNet's at most widths.
        last_channel=network["head_width"],
    )


def build_mobilenetv2(network: dict[str, Any]) -> nn.Module:
    multiplier = network["width_multiplier"]
    setting = [
        [
            stage[0]["hidden"] // stage[0]["width"],
            stage[0]["out"] / multiplier,
            len(stage),
            stage[0]["stride"],
        ]
        for stage in network["stages"]
    ]
    return MobileNetV2(
        num_classes=network["classes"],
        width_mult=multiplier,
        inverted_residual_setting=setting,
        dropout=network["dropout"],
    )


def build_mobilenetv3(network: dict[str, Any]) -> nn.Module:
    blocks = [block for stage in network["stages"][:-1] for block in stage]
    settings = [
        InvertedResidualConfig(
            block["width"],
            block["kernel"],
            block["hidden"],
            block["out"],
            bool(block["squeezed"]),
            "HS" if block["activation"] == "hard_swish" else "RE",
            block["stride"],
            1,
            1.0,
        )
        for block in blocks
    ]
    return MobileNetV3(
        settings, network["head_width"], network["classes"], dropout=network["dropout"]
    )


def build_resnet(network: dict[str, Any]) -> nn.Module:
    basic = network["stages"][0][0]["kind"] == "basic"
    layers = [len(stage) for stage in network["stages"]]
    return ResNet(BasicBlock if basic else Bottleneck, layers, num_classes=network["classes"])


def build_regnet(network: dict[str, Any]) -> nn.Module:
    firsts = [stage[0] for stage in network["stages"]]
    parameters = BlockParams(
        depths=[len(stage) for stage in network["stages"]],
        widths=[first["out"] for first in firsts],
        group_widths=[first["hidden"] // first["groups"] for first in firsts],
        bottleneck_multipliers=[first["hidden"] / first["out"] for first in firsts],
        strides=[first["stride"] for first in firsts],
        se_ratio=0.25 if firsts[0]["squeezed"] else None,
    )
    return RegNet(parameters, num_classes=network["classes"], stem_width=network["stem_width"])


def build_convnext(network: dict[str, Any]) -> nn.Module:
    widths: list[int | None] = [stage[0]["out"] for stage in network["stages"]]
    settings = [
        CNBlockConfig(width, following, len(stage))
        for width, following, stage in zip(
            widths, [*widths[1:], None], network["stages"], strict=True
        )
    ]
    return ConvNeXt(
        settings, stochastic_depth_prob=network["drop_path"], num_classes=network["classes"]
    )
