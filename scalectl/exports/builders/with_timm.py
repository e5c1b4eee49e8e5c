"""Build networks with timm's public classes."""

from typing import Any

import timm.layers
import timm.models
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
}


class HardSqueezeExcite(timm.layers.SEModule):  # type: ignore[misc]
    """MobileNetV3's squeeze-and-excitation: ReLU inside, gated by a hard sigmoid."""

    def __init__(self, channels: int, rd_ratio: float = 0.25, **_settings: Any) -> None:
        super().__init__(channels, rd_ratio=rd_ratio, gate_layer="hard_sigmoid")


def build_network(network: dict[str, Any], **settings: Any) -> nn.Module:
    """Build an EfficientNet, MobileNetV3, ByobNet or ConvNeXt, as the blocks ask for."""
    settings = {
        "num_classes": network["classes"],
        "drop_rate": network["dropout"],
        "drop_path_rate": network["drop_path"],
        **settings,
    }
    kind = network["stages"][0][0]["kind"]
    if kind == "convnext":
        return build_convnext(network, settings)
    if kind in ("basic", "bottleneck"):
        return build_residual(network, settings)
    return build_mobile(network, settings)


def build_mobile(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    pooled = network["head_width"] and network["head"] == "pooled_conv"
    factory = timm.models.MobileNetV3 if pooled else timm.models.EfficientNet
    if network["squeeze"] == "hidden":
        settings["se_layer"] = HardSqueezeExcite
    if not pooled:
        settings["output_stride"] = 1024  # never turn strides into dilations
    model: nn.Module = factory(
        block_args=[[describe(block, pooled) for block in stage] for stage in network["stages"]],
        num_features=network["head_width"],
        stem_size=network["stem_width"],
        act_layer=ACTIVATIONS[network["activation"]],
        round_chs_fn=int,  # widths are final
        **settings,
    )
    return model


def describe(block: dict[str, Any], pooled: bool) -> dict[str, Any]:
    width, hidden, kernel = block["width"], block["hidden"], block["kernel"]
    common = {
        "out_chs": block["out"],
        "stride": block["stride"],
        "act_layer": ACTIVATIONS[block["activation"]],
    }
    if block["kind"] == "fused" and hidden == width:
        return {**common, "block_type": "cn", "kernel_size": kernel, "skip": block["skip"]}
    ratio = hidden / width
    # timm's EfficientNet divides this ratio by the expansion; its MobileNetV3 does not.
    common["se_ratio"] = block["squeezed"] / hidden * (1 if pooled else ratio)
    common["noskip"] = not block["skip"]
    common["pw_kernel_size"] = 1
    if block["kind"] == "fused":
        return {**common, "block_type": "er", "exp_kernel_size": kernel, "exp_ratio": ratio}
    common["dw_kernel_size"] = kernel
    if block["kind"] == "separable":
        return {**common, "block_type": "dsa", "pw_act": True}
    if hidden == width:
        return {**common, "block_type": "ds"}
    return {**common, "block_type": "ir", "exp_kernel_size": 1, "exp_ratio": ratio}


def build_residual(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    pooled = network["stem"] == "conv7x7_pool"
    stages = tuple(tuple(configure(block) for block in stage) for stage in network["stages"])
    return ByobNet(
        ByoModelCfg(
            blocks=stages,
            stem_type="7x7" if pooled else "3x3",
            stem_pool="maxpool" if pooled else "",
            stem_chs=network["stem_width"],
            num_features=network["head_width"],
            act_layer=network["activation"],
        ),
        **settings,
    )


def configure(block: dict[str, Any]) -> ByoBlockCfg:
    basic = block["kind"] == "basic"
    squeeze = {"attn_layer": "se", "attn_kwargs": {"rd_channels": block["squeezed"]}}
    return ByoBlockCfg(
        type="basic" if basic else "bottle",
        d=1,
        c=block["out"],
        s=block["stride"],
        gs=block["hidden"] // block["groups"] if block["groups"] > 1 else 0,
        br=1.0 if basic else block["hidden"] / block["out"],
        block_kwargs={"kernel_size": block["kernel"]},
        **(squeeze if block["squeezed"] else {}),
    )


def build_convnext(network: dict[str, Any], settings: dict[str, Any]) -> nn.Module:
    return timm.models.ConvNeXt(
        depths=tuple(len(stage) for stage in network["stages"]),
        dims=tuple(stage[0]["out"] for stage in network["stages"]),
        kernel_sizes=tuple(stage[0]["kernel"] for stage in network["stages"]),
        **settings,
    )
