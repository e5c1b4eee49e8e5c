"""A YAML file for pycls (facebookresearch): its EfficientNet and its AnyNet."""

import json
from pathlib import Path
from typing import Any

from scalectl.architecture import Architecture, Block
from scalectl.exports import Verification
from scalectl.exports.config import claim
from scalectl.factory import Baseline
from scalectl.family import Size

_MARK = "# scalectl: "


class Pycls:
    """The format "pycls"."""

    suffix = ".yaml"
    library = "pycls"

    def find_obstacle(self, network: Baseline) -> str:
        """Of `EN` and `ANYNET` in its configuration."""
        if not isinstance(network, Architecture):
            return "a factory is code of its own; --to torch writes the call"
        if all(stage.block == "mbconv" for stage in network.stages):
            return _find_obstacle_of_efficientnet(network)
        return _find_obstacle_of_anynet(network)

    def emit(self, size: Size) -> str:
        """The document; the claims are a comment, because pycls refuses keys that it does not know."""
        network = size.architecture
        assert isinstance(network, Architecture)
        mobile = network.stages[0].block == "mbconv"
        resolution = network.resolution
        document: dict[str, Any] = {
            "MODEL": {
                "TYPE": "effnet" if mobile else "anynet",
                "NUM_CLASSES": network.classes,
                "ACTIVATION_FUN": network.activation,
            },
            "TRAIN": {"IM_SIZE": resolution},
            "TEST": {"IM_SIZE": round(resolution * 8 / 7)},
            **(_configure_efficientnet(network) if mobile else _configure_anynet(network)),
        }
        # JSON is YAML.
        return f"{_MARK}{json.dumps(claim(size))}\n{json.dumps(document, indent=2)}\n"

    def verify(self, path: Path) -> Verification:
        """Pycls is on no package index, and so the file is only read back."""
        mark, _, document = path.read_text().partition("\n")
        claims = json.loads(mark.removeprefix(_MARK))
        json.loads(document)
        return Verification(
            ok=None,
            expected_params=claims["params"],
            note="not checked: scalectl cannot build with pycls",
        )


def _find_obstacle_of_efficientnet(network: Architecture) -> str:
    blocks = network.blocks
    if network.stem != "conv3x3" or network.head != "conv" or not network.head_width:
        return "pycls' EfficientNet has a 3x3 stem and a head convolution"
    if any(stage.activation for stage in network.stages):
        return "pycls' EfficientNet has one activation for all blocks"
    if network.squeeze != "input" or any(
        block.squeezed != int(block.width * 0.25) for block in blocks
    ):
        return "pycls' EfficientNet squeezes each block's input by one ratio, here a quarter"
    if any(block.hidden % block.width for block in blocks):
        return "pycls' EfficientNet expands by whole numbers"
    if not all(stage.skip for stage in network.stages):
        return "pycls' EfficientNet has a shortcut wherever size and width stay"
    return "" if network.activation in ("relu", "silu") else "pycls has ReLU and SiLU"


def _configure_efficientnet(network: Architecture) -> dict[str, Any]:
    firsts = _firsts(network)
    return {
        "EN": {
            "STEM_W": network.stem_width,
            "STRIDES": [one.stride for one in firsts],
            "DEPTHS": [stage.repeats for stage in network.stages],
            "WIDTHS": [one.out for one in firsts],
            "EXP_RATIOS": [one.hidden // one.width for one in firsts],
            "KERNELS": [one.kernel for one in firsts],
            "HEAD_W": network.head_width,
            "SE_R": 0.25,
            "DC_RATIO": network.drop_path,
            "DROPOUT_RATIO": network.dropout,
        },
    }


def _find_obstacle_of_anynet(network: Architecture) -> str:
    blocks = network.blocks
    if len({block.kind for block in blocks}) > 1 or blocks[0].kind not in _ANYNET:
        return "pycls' AnyNet has basic or bottleneck blocks"
    if network.stem == "patch4x4" or network.head_width or network.drop_path or network.dropout:
        return "pycls' AnyNet has a convolution as its stem, no head, no dropout"
    if any(block.kernel != 3 or block.activation != "relu" for block in blocks):
        return "pycls' AnyNet has 3x3 kernels and ReLU here"
    if network.squeeze != "input" or len({stage.se_ratio for stage in network.stages}) > 1:
        return "pycls' AnyNet squeezes all inputs by one ratio"
    return ""


_ANYNET: dict[str, str] = {"basic": "res_basic_block", "bottleneck": "res_bottleneck_block"}


def _configure_anynet(network: Architecture) -> dict[str, Any]:
    firsts = _firsts(network)
    anynet: dict[str, Any] = {
        "STEM_TYPE": "res_stem_in" if network.stem == "conv7x7_pool" else "simple_stem_in",
        "STEM_W": network.stem_width,
        "BLOCK_TYPE": _ANYNET[network.stages[0].block],
        "DEPTHS": [stage.repeats for stage in network.stages],
        "WIDTHS": [one.out for one in firsts],
        "STRIDES": [one.stride for one in firsts],
    }
    if network.stages[0].block == "bottleneck":
        anynet["BOT_MULS"] = [one.hidden / one.out for one in firsts]
        anynet["GROUP_WS"] = [one.hidden // one.groups for one in firsts]
    if network.stages[0].se_ratio:
        anynet |= {"SE_ON": True, "SE_R": network.stages[0].se_ratio}
    return {"ANYNET": anynet}


def _firsts(network: Architecture) -> list[Block]:
    return [stage[0] for stage in network.list_blocks()]
