"""Emit a config.json that Hugging Face's AutoConfig and AutoModelForImageClassification load."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline
from scalectl.arch.sizes import Size
from scalectl.exports.checks.verification import Verification, check
from scalectl.exports.config import claim
from scalectl.exports.widths import find_multiplier


class Transformers:
    """The format "transformers": a folder of the size's name with its config.json."""

    suffix = "/config.json"
    library = "transformers"

    def find_obstacle(self, network: Baseline) -> str:
        """Say why none of its EfficientNet, ResNet, ConvNeXt and MobileNetV2 can express the network."""
        if not isinstance(network, Architecture):
            return "a factory is code of its own; --to torch writes the call"
        if any(block.expands and block.hidden == block.width for block in network.blocks):
            return "transformers expands by more than 1, or not at all"
        obstacles = [find(network) for find, _ in _CLASSES[network.stages[0].block]]
        if "" in obstacles:
            return ""
        # Without squeeze-and-excitation it is MobileNetV2 that comes nearest.
        return obstacles[0 if any(stage.se_ratio for stage in network.stages) else -1]

    def emit(self, size: Size) -> str:
        """Write the document; the claims are under "scalectl"."""
        network = size.architecture
        assert isinstance(network, Architecture)
        classes = _CLASSES[network.stages[0].block]
        configure = next(configure for find, configure in classes if not find(network))
        document = {
            **configure(network),
            "image_size": network.resolution,
            "num_channels": network.channels,
            "id2label": {str(index): f"LABEL_{index}" for index in range(network.classes)},
            "label2id": {f"LABEL_{index}": index for index in range(network.classes)},
            "scalectl": claim(size),
        }
        return json.dumps(document, indent=2) + "\n"

    def emit_companions(self, size: Size) -> dict[str, str]:
        """Write how images are prepared, for AutoImageProcessor: as timm does for evaluation."""
        claims, resolution = claim(size), size.architecture.resolution
        document = {
            "image_processor_type": "BitImageProcessor",
            "do_convert_rgb": len(claims["mean"]) == 3,
            "do_resize": True,
            "size": {"shortest_edge": round(resolution / claims["crop_pct"])},
            "resample": 3,  # bicubic
            "do_center_crop": True,
            "crop_size": {"height": resolution, "width": resolution},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": claims["mean"],
            "image_std": claims["std"],
        }
        return {"preprocessor_config.json": json.dumps(document, indent=2) + "\n"}

    def verify(self, path: Path) -> Verification:
        """Load the file by AutoConfig, build on the meta device, and run.

        Folders of earlier versions have no preprocessor_config.json; where there is one, it is loaded.
        """
        import torch
        from transformers import AutoConfig, AutoModelForImageClassification

        from scalectl.exports.checks.inspection import Draws, compare_with_own, draw_weights

        class Logits(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                config = AutoConfig.from_pretrained(path.parent, local_files_only=True)
                self.model = AutoModelForImageClassification.from_config(config)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                logits: torch.Tensor = self.model(images).logits
                return logits

        with Draws() as draws, torch.device("meta"):
            network = Logits()
            draw_weights(network.model)
        claims = json.loads(path.read_text())["scalectl"]
        family = _FAMILIES[network.model.config.model_type]
        comparison = compare_with_own(network, draws, "transformers", family)
        result = check(network, claims, comparison)
        if family == "EfficientNet":
            # Of all that it draws, see its _init_weights.
            result = replace(result, note=f"{result.note}; {_DRAWN}")
        if path.with_name("preprocessor_config.json").is_file():
            return _check_processor(path.parent, claims, result)
        return result


_FAMILIES = {
    "efficientnet": "EfficientNet",
    "mobilenet_v2": "MobileNetV2",
    "resnet": "ResNet",
    "convnext": "ConvNeXt",
}
_DRAWN = (
    "transformers draws the weights of its EfficientNet's batch norms around 0: set them to 1 before a "
    "training from scratch"
)


def _check_processor(folder: Path, claims: dict[str, Any], result: Verification) -> Verification:
    """Load the image processor, and compare its crop and statistics with the claims."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    height, width = processor.crop_size["height"], processor.crop_size["width"]
    if [height, width] == claims["input_size"][1:] and list(processor.image_mean) == claims["mean"]:
        return result
    return replace(
        result, ok=False, note=f"preprocessor_config.json prepares other images: {width} px"
    )


def _find_obstacle_of_efficientnet(network: Architecture) -> str:
    if any(stage.block != "mbconv" for stage in network.stages):
        return "transformers' EfficientNet has MBConv blocks alone"
    if network.stem != "conv3x3" or network.head != "conv" or not network.head_width:
        return "transformers' EfficientNet has a 3x3 stem and a head convolution"
    if network.resolution % 2:
        return "transformers' EfficientNet cuts odd images"
    if any(block.squeezed != max(1, int(block.width * 0.25)) for block in network.blocks) or (
        network.squeeze != "input"
    ):
        return "transformers' EfficientNet squeezes each block's input to a quarter"
    firsts = network.first_blocks
    if any(stage.width % 8 for stage in network.stages):
        return "transformers' EfficientNet rounds widths to multiples of 8"
    if any(block.hidden % block.width for block in firsts):
        return "transformers' EfficientNet expands by whole numbers"
    if any(stage.activation for stage in network.stages):
        return "transformers' EfficientNet has one activation for all blocks"
    if any(block.skip for block in firsts) or any(not stage.skip for stage in network.stages):
        return (
            "transformers' EfficientNet gives the first block of a stage no shortcut and all others "
            "one, whatever their widths"
        )
    if find_multiplier([(32, network.stem_width), (1280, network.head_width)]) is None:
        return (
            "transformers derives stem and head from one width coefficient (32 w and 1280 w, in "
            f"eights), and none gives {network.stem_width} and {network.head_width}"
        )
    return ""


def _configure_efficientnet(network: Architecture) -> dict[str, Any]:
    multiplier = find_multiplier([(32, network.stem_width), (1280, network.head_width)])
    assert multiplier is not None
    firsts, blocks = network.first_blocks, network.blocks
    return {
        "model_type": "efficientnet",
        "architectures": ["EfficientNetForImageClassification"],
        "width_coefficient": multiplier,
        # Repeats are final; coefficients of 1 leave them.
        "depth_coefficient": 1.0,
        "depth_divisor": 8,
        "kernel_sizes": [stage.kernel for stage in network.stages],
        "in_channels": [round(first.width / multiplier) for first in firsts],
        "out_channels": [round(first.out / multiplier) for first in firsts],
        # Blocks that pad both sides alike, as torch does: all.
        "depthwise_padding": list(range(len(blocks))),
        "strides": [stage.stride for stage in network.stages],
        "num_block_repeats": [stage.repeats for stage in network.stages],
        "expand_ratios": [first.hidden // first.width for first in firsts],
        "squeeze_expansion_ratio": 0.25,
        "hidden_act": _activation(network),
        # Its default is B7's, with which other sizes build but do not run.
        "hidden_dim": network.head_width,
        # Its default of 0.99 is Keras' sense of the word: torch would keep the last batch alone.
        "batch_norm_momentum": 0.1,
        "batch_norm_eps": 1e-3,
        "dropout_rate": network.dropout,
        "drop_connect_rate": network.drop_path,
    }


def _find_obstacle_of_mobilenetv2(network: Architecture) -> str:
    repeats = [stage.repeats for stage in network.stages]
    if repeats != [1, 2, 3, 4, 3, 3, 1]:
        return "transformers' MobileNetV2 has a fixed number of blocks: it cannot be deeper"
    firsts = network.first_blocks
    shape = [(first.stride, first.kernel, first.squeezed, first.kind) for first in firsts]
    if shape != [(stride, 3, 0, "mbconv") for stride in (1, 2, 2, 2, 1, 2, 1)] or (
        network.activation != "relu6" or not all(stage.skip for stage in network.stages)
    ):
        return "transformers' MobileNetV2 has the kernels and strides of the paper"
    if [first.hidden / first.width for first in firsts] != [1, 6, 6, 6, 6, 6, 6]:
        return "transformers' MobileNetV2 expands by 6"
    if network.head != "conv" or _find_mobilenetv2_multiplier(network) is None:
        return (
            "transformers derives all widths from one multiplier, and none gives "
            f"{[network.stem_width, *(first.out for first in firsts), network.head_width]}"
        )
    return ""


def _find_mobilenetv2_multiplier(network: Architecture) -> float | None:
    """Find the multiplier of all widths; that library rounds them to whole numbers, then to eights."""
    bases = (32, 16, 24, 32, 64, 96, 160, 320)
    widths = [network.stem_width, *(stage.width for stage in network.stages)]
    pairs = list(zip(bases, widths, strict=False))
    small = network.head_width == 1280 and network.stem_width <= 32  # the head does not shrink
    return find_multiplier(pairs if small else [*pairs, (1280, network.head_width)], before=round)


def _configure_mobilenetv2(network: Architecture) -> dict[str, Any]:
    return {
        "model_type": "mobilenet_v2",
        "architectures": ["MobileNetV2ForImageClassification"],
        # Their name for what multiplies widths.
        "depth_multiplier": _find_mobilenetv2_multiplier(network),
        "expand_ratio": 6.0,
        "hidden_act": _activation(network),
        "finegrained_output": True,
        "tf_padding": False,
        "layer_norm_eps": 1e-3,  # of its batch norms
        "classifier_dropout_prob": network.dropout,
    }


def _find_obstacle_of_resnet(network: Architecture) -> str:
    blocks = network.blocks
    kinds = {block.kind for block in blocks}
    if len(kinds) > 1 or network.stem != "conv7x7_pool" or network.head_width:
        return "transformers' ResNet has a 7x7 stem, one kind of block and no head convolution"
    strides = [stage.stride for stage in network.stages]
    if any(stride != 2 for stride in strides[1:]):
        return "transformers' ResNet halves the map at each stage after the first"
    if any(block.squeezed or block.groups > 1 or block.kernel != 3 for block in blocks):
        return "transformers' ResNet has plain 3x3 convolutions"
    if kinds == {"bottleneck"} and any(block.hidden * 4 != block.out for block in blocks):
        return "transformers' ResNet narrows bottlenecks to a quarter"
    return _refuse_mixed_activations(network, "ResNet")


def _configure_resnet(network: Architecture) -> dict[str, Any]:
    return {
        "model_type": "resnet",
        "architectures": ["ResNetForImageClassification"],
        "embedding_size": network.stem_width,
        "hidden_sizes": [stage.width for stage in network.stages],
        "depths": [stage.repeats for stage in network.stages],
        "layer_type": network.stages[0].block,
        "hidden_act": _activation(network),
        "downsample_in_first_stage": network.stages[0].stride == 2,
    }


def _find_obstacle_of_convnext(network: Architecture) -> str:
    strides = [stage.stride for stage in network.stages]
    if any(stage.block != "convnext" for stage in network.stages) or network.stem != "patch4x4":
        return "transformers' ConvNeXt has its own blocks after 4x4 patches"
    if strides[0] != 1 or any(stride != 2 for stride in strides[1:]):
        return "transformers' ConvNeXt halves the map at each stage after the first"
    if network.stem_width != network.stages[0].width or network.head_width:
        return "transformers' ConvNeXt has a stem as wide as its first stage, and no head"
    if any(stage.expansion != 4 or stage.kernel != 7 for stage in network.stages):
        return "transformers' ConvNeXt has 7x7 kernels and expands by 4"
    return _refuse_mixed_activations(network, "ConvNeXt")


def _configure_convnext(network: Architecture) -> dict[str, Any]:
    return {
        "model_type": "convnext",
        "architectures": ["ConvNextForImageClassification"],
        "num_stages": len(network.stages),
        "hidden_sizes": [stage.width for stage in network.stages],
        "depths": [stage.repeats for stage in network.stages],
        "hidden_act": _activation(network),
        "drop_path_rate": network.drop_path,
        "layer_norm_eps": 1e-6,  # of the last one; the others have it anyway
    }


def _refuse_mixed_activations(network: Architecture, name: str) -> str:
    mixed = any(stage.activation for stage in network.stages)
    return f"transformers' {name} has one activation for all blocks" if mixed else ""


def _activation(network: Architecture) -> str:
    return "hardswish" if network.activation == "hard_swish" else network.activation


_EFFICIENTNET = (_find_obstacle_of_efficientnet, _configure_efficientnet)
_MOBILENETV2 = (_find_obstacle_of_mobilenetv2, _configure_mobilenetv2)
_RESNET = (_find_obstacle_of_resnet, _configure_resnet)
_CLASSES = {
    "mbconv": (_EFFICIENTNET, _MOBILENETV2),
    "fused": (_EFFICIENTNET,),
    "separable": (_EFFICIENTNET,),
    "basic": (_RESNET,),
    "bottleneck": (_RESNET,),
    "convnext": ((_find_obstacle_of_convnext, _configure_convnext),),
}
"""Kind of the first block -> the classes that may express a network: what keeps one, and its settings."""
