"""Build networks with torchvision's classes."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from torch import nn
from torchvision.models import ConvNeXt, EfficientNet, MobileNetV2, MobileNetV3, RegNet, ResNet
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig
from torchvision.models.regnet import BlockParams
from torchvision.models.resnet import BasicBlock, Bottleneck


def build_network(network: dict[str, Any], **settings: Any) -> nn.Module:
    """Build with the class that has such blocks; `settings` are those of the class."""
    # Its classes divide by the number of classes: what has none is built with one.
    settings["num_classes"] = network["classes"] or 1
    model = choose_builder(network)(network, settings)
    if not network["classes"]:
        remove_classifier(model)
    if network["channels"] != 3:
        replace_stem(model, network["channels"])
    return model


def choose_builder(network: dict[str, Any]) -> Callable[..., nn.Module]:
    kinds = {block["kind"] for stage in network["stages"] for block in stage}
    if "convnext" in kinds:
        return build_convnext
    if kinds & {"basic", "bottleneck"}:
        return build_resnet if network["stem"] != "conv3x3" else build_regnet
    if network["head"] == "pooled_conv":
        return build_mobilenetv3
    return build_mobilenetv2 if network["activation"] == "relu6" else build_efficientnet


def remove_classifier(model: Any) -> None:
    """Leave the features that torchvision's last layer would classify."""
    if hasattr(model, "fc"):
        model.fc = nn.Identity()
    else:
        model.classifier[-1] = nn.Identity()


def replace_stem(model: nn.Module, channels: int) -> None:
    """Put in a first convolution for images of other channels, started as the class starts its own."""
    convolutions = (pair for pair in model.named_modules() if isinstance(pair[1], nn.Conv2d))
    name, old = cast(tuple[str, Any], next(convolutions))
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,
        old.stride,
        old.padding,
        bias=old.bias is not None,
    )
    if new.bias is None:
        nn.init.kaiming_normal_(new.weight, mode="fan_out")
    else:
        nn.init.trunc_normal_(new.weight, std=0.02)
        nn.init.zeros_(new.bias)
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, new)


def build_efficientnet(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    if any(stage[0]["kind"] == "fused" for stage in network["stages"]):
        # As torchvision's own EfficientNetV2.
        settings = {"norm_layer": partial(nn.BatchNorm2d, eps=1e-3), **settings}
    blocks = []
    for stage in network["stages"]:
        first = stage[0]
        factory = FusedMBConvConfig if first["kind"] == "fused" else MBConvConfig
        blocks.append(
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
        blocks,
        # Its default is another head than EfficientNet's at most widths.
        last_channel=network["head_width"],
        **{
            "dropout": network["dropout"],
            "stochastic_depth_prob": network["drop_path"],
            **settings,
        },
    )


def build_mobilenetv2(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
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
        width_mult=multiplier,
        inverted_residual_setting=setting,
        **{"dropout": network["dropout"], **settings},
    )


def build_mobilenetv3(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    blocks = [block for stage in network["stages"][:-1] for block in stage]
    configs = [
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
        configs, network["head_width"], **{"dropout": network["dropout"], **settings}
    )


def build_resnet(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    basic = network["stages"][0][0]["kind"] == "basic"
    layers = [len(stage) for stage in network["stages"]]
    return ResNet(BasicBlock if basic else Bottleneck, layers, **settings)


def build_regnet(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    firsts = [stage[0] for stage in network["stages"]]
    parameters = BlockParams(
        depths=[len(stage) for stage in network["stages"]],
        widths=[first["out"] for first in firsts],
        group_widths=[first["hidden"] // first["groups"] for first in firsts],
        bottleneck_multipliers=[first["hidden"] / first["out"] for first in firsts],
        strides=[first["stride"] for first in firsts],
        se_ratio=0.25 if firsts[0]["squeezed"] else None,
    )
    return RegNet(parameters, stem_width=network["stem_width"], **settings)


def build_convnext(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    widths: list[int | None] = [stage[0]["out"] for stage in network["stages"]]
    configs = [
        CNBlockConfig(width, following, len(stage))
        for width, following, stage in zip(
            widths, [*widths[1:], None], network["stages"], strict=True
        )
    ]
    return ConvNeXt(configs, **{"stochastic_depth_prob": network["drop_path"], **settings})
