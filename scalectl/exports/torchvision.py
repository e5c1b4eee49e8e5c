"""Emit a Python module that builds with torchvision's own model classes."""

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline
from scalectl.arch.rounding import make_divisible
from scalectl.arch.sizes import Size
from scalectl.exports.python_module import verify_module, write_module
from scalectl.exports.widths import find_multiplier

_FUNCTION = '''
def {name}(
    num_classes: int = NETWORK["classes"],
    in_channels: int = NETWORK["channels"],
    **settings: Any,
) -> nn.Module:
    """The network: (N, in_channels, H, W) images, normalised already -> (N, num_classes) logits.

    Without classes, it gives features. Settings are those of torchvision's class: norm_layer,
    dropout, stochastic_depth_prob.
    """
    network = {{**NETWORK, "classes": num_classes, "channels": in_channels}}
    return build_network(network, **settings)
'''


class Torchvision:
    suffix = "_torchvision.py"
    library = "torchvision"
    verify = staticmethod(verify_module)

    def find_obstacle(self, network: Baseline) -> str:
        """Say why no class of torchvision can express the network."""
        if not isinstance(network, Architecture):
            return "a factory is code of its own; --to torch writes the call"
        if any(block.expands and block.hidden == block.width for block in network.blocks):
            return "torchvision expands by more than 1, or not at all"
        kinds = {stage.block for stage in network.stages}
        if kinds == {"convnext"}:
            return _find_obstacle_of_convnext(network)
        if kinds <= {"basic", "bottleneck"}:
            if network.stem == "conv3x3":
                return _find_obstacle_of_regnet(network)
            return _find_obstacle_of_resnet(network)
        if "separable" in kinds:
            return "torchvision has no MobileNetV1"
        if not kinds <= {"mbconv", "fused"}:
            return f"no class of torchvision mixes {', '.join(sorted(kinds))}"
        if network.head == "pooled_conv":
            return _find_obstacle_of_mobilenetv3(network)
        if network.activation == "relu6":
            return _find_obstacle_of_mobilenetv2(network)
        return _find_obstacle_of_efficientnet(network)

    def emit(self, size: Size) -> str:
        network = size.architecture
        assert isinstance(network, Architecture)
        content = network.unroll()
        if network.activation == "relu6":
            content["width_multiplier"] = find_multiplier(_pairs(network))
        usage = "from {name}_torchvision import {name}; network = {name}()"
        return write_module(size, "torchvision", usage, _FUNCTION, network=content)


def _find_obstacle_of_inverted(network: Architecture, name: str) -> str:
    """Say what keeps any of torchvision's mobile classes from expressing it; `name` is the class."""
    blocks = network.blocks
    if network.stem != "conv3x3":
        return f"torchvision's {name} has a 3x3 stem"
    if any(block.width % 8 or block.out % 8 for block in blocks):
        return f"torchvision's {name} rounds widths to multiples of 8"
    same = [block for block in blocks if block.stride == 1 and block.width == block.out]
    if not all(block.skip for block in same):
        return f"torchvision's {name} has a shortcut wherever size and width stay"
    return ""


def _find_obstacle_of_efficientnet(network: Architecture) -> str:
    blocks = network.blocks
    if network.activation != "silu" or any(stage.activation for stage in network.stages):
        return "torchvision's EfficientNet has SiLU alone"
    if not network.head_width:
        return "torchvision's EfficientNet has a head convolution"
    if network.squeeze != "input" or any(
        block.squeezed != (max(1, block.width // 4) if block.kind == "mbconv" else 0)
        for block in blocks
    ):
        return "torchvision's EfficientNet squeezes the input of each MBConv to a quarter"
    for stage, specification in zip(network.list_blocks(), network.stages, strict=True):
        ratio = stage[0].hidden / stage[0].width
        if any(block.hidden != make_divisible(block.width * ratio, 8) for block in stage):
            return f"torchvision's EfficientNet expands by one ratio, not as {specification.width}"
    return _find_obstacle_of_inverted(network, "EfficientNet")


def _find_obstacle_of_mobilenetv2(network: Architecture) -> str:
    blocks = network.blocks
    if any(block.kind != "mbconv" or block.kernel != 3 or block.squeezed for block in blocks):
        return "torchvision's MobileNetV2 has 3x3 kernels and no squeeze-and-excitation"
    if any(block.hidden % block.width for block in blocks) or not network.head_width:
        return "torchvision's MobileNetV2 expands by whole numbers, and has a head convolution"
    if find_multiplier(_pairs(network)) is None:
        return (
            "torchvision's MobileNetV2 derives stem and head from one multiplier, and none gives "
            f"{network.stem_width} and {network.head_width}"
        )
    return _find_obstacle_of_inverted(network, "MobileNetV2")


def _pairs(network: Architecture) -> list[tuple[int, int]]:
    """List base and width of what the multiplier decides; a head does not shrink below its base."""
    small = network.head_width == 1280 and network.stem_width <= 32
    return [(32, network.stem_width), *([] if small else [(1280, network.head_width)])]


def _find_obstacle_of_mobilenetv3(network: Architecture) -> str:
    *body, last = network.blocks
    if any(block.kind != "mbconv" for block in body) or last.kind != "fused" or last.kernel != 1:
        return "torchvision's MobileNetV3 has MBConv blocks and one 1x1 convolution after them"
    if last.out != 6 * last.width or last.skip or network.stages[-1].repeats > 1:
        return "torchvision's MobileNetV3 widens by 6 after its blocks, once"
    if network.activation != "hard_swish" or last.activation != "hard_swish":
        return "torchvision's MobileNetV3 has hard swish"
    if any(block.activation not in ("relu", "hard_swish") for block in body):
        return "torchvision's MobileNetV3 has ReLU and hard swish"
    squeezed = [block for block in body if block.squeezed]
    if network.squeeze != "hidden" and squeezed:
        return "torchvision's MobileNetV3 squeezes inner channels"
    if any(block.squeezed != make_divisible(block.hidden // 4, 8) for block in squeezed):
        return "torchvision's MobileNetV3 squeezes to a quarter"
    return _find_obstacle_of_inverted(network, "MobileNetV3")


def _find_obstacle_of_resnet(network: Architecture) -> str:
    blocks = network.blocks
    basic = blocks[0].kind == "basic"
    widths = [64, 128, 256, 512] if basic else [256, 512, 1024, 2048]
    if network.stem_width != 64 or [stage.width for stage in network.stages] != widths:
        return "torchvision's ResNet cannot be widened: its widths are fixed but for inner ones"
    if [stage.stride for stage in network.stages] != [1, 2, 2, 2] or network.head_width:
        return "torchvision's ResNet has strides 1, 2, 2, 2 and no head convolution"
    if network.activation != "relu" or network.drop_path or network.dropout:
        return "torchvision's ResNet has ReLU, and neither dropout nor drop-path"
    if any(
        block.kind != blocks[0].kind
        or block.activation != "relu"
        or block.kernel != 3
        or block.squeezed
        or block.groups > 1
        or (not basic and block.hidden * 4 != block.out)
        for block in blocks
    ):
        return "torchvision's ResNet has one kind of plain block"
    return ""


def _find_obstacle_of_regnet(network: Architecture) -> str:
    blocks = network.blocks
    if any(block.kind != "bottleneck" or block.kernel != 3 for block in blocks):
        return "torchvision's RegNet has bottlenecks with 3x3 kernels"
    if network.activation != "relu" or any(block.activation != "relu" for block in blocks):
        return "torchvision's RegNet has ReLU alone"
    if network.head_width or network.drop_path or network.dropout:
        return "torchvision's RegNet has no head convolution, dropout or drop-path"
    if network.squeeze != "input" or len({stage.se_ratio for stage in network.stages}) > 1:
        return "torchvision's RegNet squeezes all inputs by one ratio"
    if network.stages[0].se_ratio not in (0, 0.25):
        return "squeeze-and-excitation other than to a quarter is not written for torchvision"
    return ""


def _find_obstacle_of_convnext(network: Architecture) -> str:
    if network.stem != "patch4x4" or network.stem_width != network.stages[0].width:
        return "torchvision's ConvNeXt has 4x4 patches as wide as its first stage"
    if [stage.stride for stage in network.stages] != [1, *[2] * (len(network.stages) - 1)]:
        return "torchvision's ConvNeXt halves the map at each stage after the first"
    if any(stage.kernel != 7 or stage.expansion != 4 for stage in network.stages):
        return "torchvision's ConvNeXt has 7x7 kernels and expands by 4"
    if network.activation != "gelu" or any(stage.activation for stage in network.stages):
        return "torchvision's ConvNeXt has GELU alone"
    if network.head_width or network.dropout:
        return "torchvision's ConvNeXt has no head convolution and no dropout"
    return ""
