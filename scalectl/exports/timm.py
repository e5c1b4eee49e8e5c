"""Emit a Python module that registers the network with timm, by timm's public interface alone."""

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline
from scalectl.arch.sizes import Size
from scalectl.exports.python_module import verify_module, write_module

_FUNCTION = '''
default_cfgs = timm.models.generate_default_cfgs(
    {{
        "{name}": {{
            "url": "",
            "num_classes": CLAIMS["classes"],
            "input_size": tuple(CLAIMS["input_size"]),
            "mean": tuple(CLAIMS["mean"]),
            "std": tuple(CLAIMS["std"]),
            "crop_pct": CLAIMS["crop_pct"],
            "interpolation": CLAIMS["interpolation"],
            **name_ends(NETWORK),
        }}
    }}
)


@timm.models.register_model
def {name}(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """The network; keyword arguments are those of timm's own models, features_only among them."""
    settings = {{key: value for key, value in kwargs.items() if value is not None}}
    return build_network(NETWORK, "{name}", pretrained, **settings)
'''


class Timm:
    suffix = ".py"
    library = "timm"
    verify = staticmethod(verify_module)

    def find_obstacle(self, network: Baseline) -> str:
        """Say why none of timm's EfficientNet, MobileNetV3, ByobNet and ConvNeXt can express it."""
        if not isinstance(network, Architecture):
            return "a factory is code of its own; --to torch writes the call"
        kinds = {stage.block for stage in network.stages}
        if kinds <= {"mbconv", "fused", "separable"}:
            return _find_obstacle_of_mobile(network)
        if kinds == {"convnext"}:
            return _find_obstacle_of_convnext(network)
        if kinds <= {"basic", "bottleneck"}:
            return _find_obstacle_of_residual(network)
        return f"no class of timm mixes {', '.join(sorted(kinds))}"

    def emit(self, size: Size) -> str:
        usage = 'import {name}, timm; network = timm.create_model("{name}")'
        return write_module(size, "timm", usage, _FUNCTION)


def _find_obstacle_of_mobile(network: Architecture) -> str:
    if network.stem != "conv3x3":
        return f"timm's EfficientNet has no stem {network.stem}"
    if network.head == "pooled_conv" and network.downsampling > 32:
        return "timm's MobileNetV3 turns strides beyond 32x into dilations"
    return ""


def _find_obstacle_of_residual(network: Architecture) -> str:
    blocks = network.blocks
    if network.stem == "patch4x4":
        return "timm's ByobNet has no stem patch4x4"
    if len(network.stages) < 2:
        return "timm's ByobNet has two stages or more"
    if any(block.out % 8 or block.hidden % 8 for block in blocks):
        return "timm's ByobNet rounds widths to multiples of 8"
    if network.downsampling > 32:
        return "timm's ByobNet turns strides beyond 32x into dilations"
    if network.head_width and network.head == "pooled_conv":
        return "timm's ByobNet has no convolution after the pooling"
    if any(block.activation != network.activation for block in blocks):
        return "timm's ByobNet has one activation for all blocks"
    if any(block.squeezed for block in blocks) and (
        network.squeeze == "hidden" or network.activation != "relu"
    ):
        return "timm's ByobNet squeezes with ReLU and a sigmoid alone"
    if any(block.squeezed and block.kind == "basic" for block in blocks):
        return "basic blocks have no squeeze-and-excitation here"
    return ""


def _find_obstacle_of_convnext(network: Architecture) -> str:
    strides = tuple(stage.stride for stage in network.stages)
    if network.stem != "patch4x4" or strides != (1, 2, 2, 2):
        return "timm's ConvNeXt has four stages with strides 1, 2, 2, 2 after 4x4 patches"
    if network.stem_width != network.stages[0].width:
        return "timm's ConvNeXt has a stem as wide as its first stage"
    if any(stage.expansion != 4 for stage in network.stages):
        return "timm's ConvNeXt expands by 4"
    if network.activation != "gelu" or any(stage.activation for stage in network.stages):
        return "timm's ConvNeXt has GELU here"
    return "timm's ConvNeXt has no head convolution" if network.head_width else ""
