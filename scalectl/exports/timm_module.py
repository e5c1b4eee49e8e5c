"""A Python module that registers the network with timm, by timm's public interface alone."""

import json
import re
import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from scalectl import __version__
from scalectl.architecture import Stage
from scalectl.errors import ScalectlError
from scalectl.exports import Verification
from scalectl.exports.config import IMAGENET_MEAN, IMAGENET_STD, crop
from scalectl.family import Size

_TEMPLATE = '''\
"""{name}: emitted by scalectl {version}.

Source: {source}.{scaling}
{params:,} parameters, {macs:,} multiply-adds at {resolution} px. Dropout and drop-path are the
habit of EfficientNet's sizes; pass drop_rate and drop_path_rate to change them.

    import {name}, timm
    network = timm.create_model("{name}")
"""

from timm.models import EfficientNet, register_model
from torch import nn

PARAMS = {params}
CLASSES = {classes}
# (blocks, width, stride, kernel, expansion, squeeze-and-excitation ratio) of each stage
STAGES = (
{stages}
)
CONFIG = {config}


def list_blocks(repeats, width, stride, kernel, expansion, se_ratio):
    """The arguments of each block of a stage; without expansion it is depthwise separable."""
    kind = {{"block_type": "ds"}}
    if expansion != 1:
        kind = {{"block_type": "ir", "exp_kernel_size": 1, "exp_ratio": float(expansion)}}
    block = {{
        **kind,
        "dw_kernel_size": kernel,
        "pw_kernel_size": 1,
        "out_chs": width,
        "se_ratio": se_ratio,
        "act_layer": None,
        "noskip": False,
    }}
    return [{{**block, "stride": stride if number == 0 else 1}} for number in range(repeats)]


@register_model
def {name}(pretrained=False, **kwargs):
    """The network; keyword arguments are those of timm.models.EfficientNet."""
    if pretrained:
        raise ValueError("{name} has no pretrained weights: it is a new network.")
    for key in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
        kwargs.pop(key, None)
    settings = {{
        "num_classes": CLASSES,
        "drop_rate": {dropout!r},
        "drop_path_rate": {drop_path!r},
        **{{key: value for key, value in kwargs.items() if value is not None}},
    }}
    network = EfficientNet(
        block_args=[list_blocks(*stage) for stage in STAGES],
        num_features={head_width},
        stem_size={stem_width},
        act_layer=nn.SiLU,
        round_chs_fn=int,
        **settings,
    )
    network.pretrained_cfg = network.default_cfg = CONFIG
    return network
'''


class TimmModule:
    """The format "timm"."""

    suffix = ".py"

    def emit(self, size: Size) -> str:
        """The module. Raises `ScalectlError` for a name that Python cannot use."""
        architecture = size.architecture
        if not re.fullmatch(r"[a-z][a-z0-9_]*", size.name):
            raise ScalectlError(
                f"{size.name!r} cannot be the name of a Python module.",
                "Use lower-case letters, digits and underscores in the baseline's name.",
            )
        return _TEMPLATE.format(
            name=size.name,
            version=__version__,
            source=_harmless(size.source),
            scaling=f" (alpha, beta, gamma) = {size.coefficients} at phi = {size.phi:g}."
            if size.phi is not None
            else "",
            params=size.cost.params,
            macs=size.cost.macs,
            resolution=architecture.resolution,
            classes=architecture.classes,
            stages="\n".join(f"    {_settings(stage)}," for stage in architecture.stages),
            config=_format(_configure(size)),
            dropout=architecture.dropout,
            drop_path=architecture.drop_path,
            head_width=architecture.head_width,
            stem_width=architecture.stem_width,
        )

    def verify(self, path: Path) -> Verification:
        """Import it under a name of its own, create the model on the meta device, run."""
        import timm
        import torch

        from scalectl.network import check

        specification = spec_from_file_location(f"{path.stem}_to_verify", path)
        assert specification is not None
        assert specification.loader is not None
        module = module_from_spec(specification)
        sys.modules[specification.name] = module
        try:
            with torch.device("meta"), warnings.catch_warnings():
                # Another file of that name may have been verified in this process before.
                warnings.filterwarnings("ignore", "Overwriting", UserWarning)
                specification.loader.exec_module(module)
                network = timm.create_model(path.stem)
        finally:
            del sys.modules[specification.name]
        return check(network, module.CONFIG["input_size"][1], module.CLASSES, module.PARAMS)


def _harmless(text: str) -> str:
    """Inside a docstring: no quotes, backslashes or lines of its own."""
    return re.sub(r"[^\w .,:()=%/+-]", "_", text)


def _settings(stage: Stage) -> tuple[float, ...]:
    return (
        stage.repeats,
        stage.width,
        stage.stride,
        stage.kernel,
        stage.expansion,
        stage.se_ratio,
    )


def _format(table: dict[str, object]) -> str:
    """Python source, one key a line."""
    # As JSON, strings have the double quotes that formatters want.
    texts = {
        key: json.dumps(one) if isinstance(one, str) else repr(one) for key, one in table.items()
    }
    lines = [f'    "{key}": {text},' for key, text in texts.items()]
    return "\n".join(["{", *lines, "}"])


def _configure(size: Size) -> dict[str, object]:
    resolution = size.architecture.resolution
    return {
        "num_classes": size.architecture.classes,
        "input_size": (3, resolution, resolution),
        "crop_pct": crop(resolution),
        "interpolation": "bicubic",
        "mean": tuple(IMAGENET_MEAN),
        "std": tuple(IMAGENET_STD),
        "first_conv": "conv_stem",
        "classifier": "classifier",
    }


def block_arguments(stage: Stage) -> list[dict[str, object]]:
    """Timm's arguments of each block of a stage; without expansion the block is separable ("ds")."""
    kind: dict[str, object] = {"block_type": "ds"}
    if stage.expansion != 1:
        kind = {"block_type": "ir", "exp_kernel_size": 1, "exp_ratio": float(stage.expansion)}
    return [
        {
            **kind,
            "dw_kernel_size": stage.kernel,
            "pw_kernel_size": 1,
            "out_chs": stage.width,
            "se_ratio": stage.se_ratio,
            "act_layer": None,
            "noskip": False,
            "stride": stage.stride if block == 0 else 1,
        }
        for block in range(stage.repeats)
    ]
