"""Emit a YAML file for pycls (facebookresearch): its EfficientNet and its AnyNet."""

import json
from pathlib import Path
from typing import Any

from scalectl.arch.architecture import Architecture
from scalectl.arch.cost import compute_cost
from scalectl.arch.factory import Baseline
from scalectl.arch.formats.pycls_file import read_pycls
from scalectl.arch.sizes import Size
from scalectl.exports.checks.verification import Verification
from scalectl.exports.config import claim

_MARK = "# scalectl: "


class Pycls:
    suffix = ".yaml"
    library = ""  # nothing is built, with pycls or without

    def find_obstacle(self, network: Baseline) -> str:
        """Say why neither pycls' `EN` nor its `ANYNET` can express the network."""
        if not isinstance(network, Architecture):
            return "a factory is code of its own; --to torch writes the call"
        if any(block.expands and block.hidden == block.width for block in network.blocks):
            return "pycls expands by more than 1, or not at all"
        if network.channels != 3 or not network.classes:
            return "pycls has colour images and a classifier"
        if all(stage.block == "mbconv" for stage in network.stages):
            return _find_obstacle_of_efficientnet(network)
        return _find_obstacle_of_anynet(network)

    def emit(self, size: Size) -> str:
        """Write the document; the claims are a comment, since pycls refuses unknown keys."""
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
        """Read the network back, and compare its arithmetic; pycls is on no package index."""
        claims = json.loads(path.read_text().partition("\n")[0].removeprefix(_MARK))
        cost = compute_cost(read_pycls(path))
        ok = (cost.params, cost.macs) == (claims["params"], claims["macs"])
        note = f"read back, not built: {cost.params:,} parameters, {cost.macs:,} MACs"
        stated = (
            ", as stated" if ok else f", the file says {claims['params']:,} and {claims['macs']:,}"
        )
        return Verification(
            ok=ok, expected_params=claims["params"], params=cost.params, note=f"{note}{stated}"
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
    firsts = network.first_blocks
    return {
        "EN": {
            "STEM_W": network.stem_width,
            "STRIDES": [first.stride for first in firsts],
            "DEPTHS": [stage.repeats for stage in network.stages],
            "WIDTHS": [first.out for first in firsts],
            "EXP_RATIOS": [first.hidden // first.width for first in firsts],
            "KERNELS": [first.kernel for first in firsts],
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
    firsts = network.first_blocks
    anynet: dict[str, Any] = {
        "STEM_TYPE": "res_stem_in" if network.stem == "conv7x7_pool" else "simple_stem_in",
        "STEM_W": network.stem_width,
        "BLOCK_TYPE": _ANYNET[network.stages[0].block],
        "DEPTHS": [stage.repeats for stage in network.stages],
        "WIDTHS": [first.out for first in firsts],
        "STRIDES": [first.stride for first in firsts],
    }
    if network.stages[0].block == "bottleneck":
        anynet["BOT_MULS"] = [first.hidden / first.out for first in firsts]
        anynet["GROUP_WS"] = [first.hidden // first.groups for first in firsts]
    if network.stages[0].se_ratio:
        anynet |= {"SE_ON": True, "SE_R": network.stages[0].se_ratio}
    return {"ANYNET": anynet}
