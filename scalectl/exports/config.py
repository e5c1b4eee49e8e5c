"""JSON and TOML: everything about a size, readable by any program, and a `--baseline` again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from scalectl import __version__
from scalectl.exports import Verification
from scalectl.family import Size

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


def describe(size: Size) -> dict[str, Any]:
    """The emitted document. What does not apply to a size is left out."""
    resolution = size.architecture.resolution
    document = {
        "schema_version": 1,
        "created_by": f"scalectl {__version__}",
        "name": size.name,
        "source": size.source,
        "phi": size.phi,
        "coefficients": size.coefficients and asdict(size.coefficients),
        "multipliers": asdict(size.multipliers),
        "nominal_ratio": size.nominal_ratio,
        "realised_ratio": size.realised_ratio,
        **asdict(size.cost),
        "input_size": [3, resolution, resolution],
        "crop_pct": crop(resolution),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "interpolation": "bicubic",
        "architecture": size.architecture.to_dict(),
    }
    return {key: value for key, value in document.items() if value is not None}


def crop(resolution: int) -> float:
    """EfficientNet's habit at test time: the centre of an image that is 32 px larger."""
    return round(resolution / (resolution + 32), 3)


class Json:
    """The format "json"."""

    suffix = ".json"

    def emit(self, size: Size) -> str:
        """One document."""
        return json.dumps(describe(size), indent=2) + "\n"

    def verify(self, path: Path) -> Verification:
        """Read back, build with timm's classes, run."""
        return _verify(path, json.loads(path.read_text())["params"])


class Toml:
    """The format "toml"."""

    suffix = ".toml"

    def emit(self, size: Size) -> str:
        """One document."""
        return tomli_w.dumps(describe(size))

    def verify(self, path: Path) -> Verification:
        """Read back, build with timm's classes, run."""
        import tomllib

        return _verify(path, tomllib.loads(path.read_text())["params"])


def _verify(path: Path, expected: int) -> Verification:
    from scalectl.documents import load_architecture
    from scalectl.network import build_on_meta, check

    architecture = load_architecture(path)
    return check(
        build_on_meta(architecture), architecture.resolution, architecture.classes, expected
    )
