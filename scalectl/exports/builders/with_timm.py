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


def build_network(
    network: dict[str, Any], name: str, pretrained: bool = False, **settings: Any
) -> nn.Module:
    """Build an EfficientNet, MobileNetV3, ByobNet or ConvNeXt, as the blocks ask for.

    `settings` are what timm's own models take, `name` is the one it is registered by.
    """
    kind = network["stages"][0][0]["kind"]
    norm = {} if kind == "convnext" else take_norm_settings(settings)
    settings = {
        "num_classes": network["classes"],
        "in_chans": network["channels"],
        "drop_rate": network["dropout"],
        "drop_path_rate": network["drop_path"],
        **settings,
    }
    if settings.get("features_only"):
        settings.setdefault("out_indices", tuple(range(count_features(network))))
    if kind == "convnext":
        factory, own = timm.models.ConvNeXt, configure_convnext(network)
    elif kind in ("basic", "bottleneck"):
        factory = ByobNet
        own = {
            "model_cfg": configure_residual(network),
            "feature_cfg": {"flatten_sequential": True},
        }
    else:
        factory, own = configure_mobile(network, settings)
    model: nn.Module = timm.models.build_model_with_cfg(
        factory, name, pretrained, **{**own, **settings}
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            vars(module).update(norm)
        elif isinstance(module, nn.Linear) and network["stem"] == "conv7x7_pool" and not pretrained:
            # As timm's own ResNet starts its classifier.
            module.reset_parameters()
    return model


def take_norm_settings(settings: dict[str, Any]) -> dict[str, float]:
    """Take what timm's own models say of batch norms out of the settings."""
    names = {"bn_momentum": "momentum", "bn_eps": "eps"}
    return {names[key]: settings.pop(key) for key in names if key in settings}


def count_features(network: dict[str, Any]) -> int:
    """Count the feature maps of different sizes, from which detectors and segmenters choose."""
    strides = [stage[0]["stride"] for stage in network["stages"]]
    return sum(stride > 1 for stride in strides) + (network["stem"] == "conv7x7_pool") + 1


def name_ends(network: dict[str, Any]) -> dict[str, str]:
    """Name the first convolution and the classifier, which timm adapts to other images and classes."""
    kind = network["stages"][0][0]["kind"]
    if kind == "convnext":
        return {"first_conv": "stem.0", "classifier": "head.fc"}
    if kind in ("basic", "bottleneck"):
        return {"first_conv": "stem.conv", "classifier": "head.fc"}
    return {"first_conv": "conv_stem", "classifier": "classifier"}


def configure_mobile(
    network: dict[str, Any], settings: dict[str, Any]
) -> tuple[type[nn.Module], dict[str, Any]]:
    """Choose the class, with or without a classifier, and what it takes."""
    pooled = network["head_width"] and network["head"] == "pooled_conv"
    own = {
        "block_args": [[describe(block, network) for block in s] for s in network["stages"]],
        "num_features": network["head_width"],
        "stem_size": network["stem_width"],
        "act_layer": ACTIVATIONS[network["activation"]],
        "round_chs_fn": int,  # widths are final
    }
    if network["squeeze"] == "hidden":
        own["se_layer"] = HardSqueezeExcite
    if not pooled:
        own["output_stride"] = 1024  # never turn strides into dilations
    as_list = "feature_cls" not in settings and "feature_cfg" not in settings
    if settings.get("features_only") and as_list:
        del settings["features_only"]
        # Without its head, this class has none of the head's arguments.
        own["kwargs_filter"] = ("num_classes", "num_features", "global_pool")
        features = timm.models.MobileNetV3Features if pooled else timm.models.EfficientNetFeatures
        return features, own
    return timm.models.MobileNetV3 if pooled else timm.models.EfficientNet, own


def describe(block: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    width, hidden, kernel = block["width"], block["hidden"], block["kernel"]
    pooled = network["head_width"] and network["head"] == "pooled_conv"
    is_other = block["activation"] != network["activation"]
    common = {
        "out_chs": block["out"],
        "stride": block["stride"],
        "act_layer": ACTIVATIONS[block["activation"]] if is_other else None,
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
    if not block["expands"]:
        return {**common, "block_type": "ds"}
    return {**common, "block_type": "ir", "exp_kernel_size": 1, "exp_ratio": ratio}


def configure_residual(network: dict[str, Any]) -> ByoModelCfg:
    pooled = network["stem"] == "conv7x7_pool"
    return ByoModelCfg(
        blocks=tuple(tuple(configure(block) for block in stage) for stage in network["stages"]),
        stem_type="7x7" if pooled else "3x3",
        stem_pool="maxpool" if pooled else "",
        stem_chs=network["stem_width"],
        num_features=network["head_width"],
        act_layer=network["activation"],
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


def configure_convnext(network: dict[str, Any]) -> dict[str, Any]:
    return {
        "depths": tuple(len(stage) for stage in network["stages"]),
        "dims": tuple(stage[0]["out"] for stage in network["stages"]),
        "kernel_sizes": tuple(stage[0]["kernel"] for stage in network["stages"]),
        "feature_cfg": {"flatten_sequential": True},
    }
