"""Emit JSON and TOML: everything about a size, readable by any program, and a `--baseline` again."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomli_w

from scalectl import parsing
from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline, count_channels
from scalectl.arch.sizes import Size
from scalectl.exports.checks.verification import Verification, check

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


def claim(size: Size) -> dict[str, Any]:
    """List what every emitted file says of itself, without what does not apply to the size."""
    network = size.architecture
    resolution, channels = network.resolution, count_channels(network)
    claims = {
        "schema_version": 1,
        "created_by": f"scalectl {version('scalectl')}",
        "name": size.name,
        "source": size.source,
        "phi": size.phi,
        "coefficients": size.coefficients and asdict(size.coefficients),
        "multipliers": asdict(size.multipliers),
        "rounding": {**asdict(network.rounding), "fixed": list(network.rounding.fixed)},
        "nominal_ratio": size.nominal_ratio,
        "realised_ratio": size.realised_ratio,
        **asdict(size.cost),
        "classes": network.classes,
        "input_size": [channels, resolution, resolution],
        # Evaluation crops from an image 32 px larger, as EfficientNet's.
        "crop_pct": round(resolution / (resolution + 32), 3),
        "mean": IMAGENET_MEAN if channels == 3 else [0.5] * channels,
        "std": IMAGENET_STD if channels == 3 else [0.5] * channels,
        "interpolation": "bicubic",
    }
    if isinstance(network, Architecture):
        claims["features"] = network.features
        claims["dropout"] = network.dropout
        claims["drop_path"] = network.drop_path
        claims["drop_path_convention"] = (
            "the largest drop probability of a residual branch; it grows linearly over the blocks"
        )
    return {key: value for key, value in claims.items() if value is not None}


def describe(size: Size) -> dict[str, Any]:
    """Make the emitted document: the claims, and the network itself."""
    return {**claim(size), "architecture": size.architecture.to_dict()}


class Json:
    suffix = ".json"
    library = ""

    def find_obstacle(self, network: Baseline) -> str:
        """Find none: data can express every network."""
        return ""

    def emit(self, size: Size) -> str:
        return json.dumps(describe(size), indent=2) + "\n"

    def verify(self, path: Path) -> Verification:
        """Read the file back, build in plain torch, and run."""
        from scalectl.arch.loading import load_network
        from scalectl.nn.build import build_on_meta

        claims, network = parsing.read_table(path), load_network(path)
        if not isinstance(network, Architecture):
            return Verification(
                ok=None,
                expected_params=claims["params"],
                note="written; a factory's code is not run because a file names it",
            )
        return check(build_on_meta(network), claims)


class Toml(Json):
    """The format "toml": the same document."""

    suffix = ".toml"

    def emit(self, size: Size) -> str:
        return tomli_w.dumps(describe(size))
