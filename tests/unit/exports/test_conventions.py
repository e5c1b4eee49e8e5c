"""What parameters and multiply-adds do not show: norms, activations, padding and dropout."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from scalectl.arch.baselines import find_architecture
from scalectl.arch.scaling import Multipliers, scale
from scalectl.arch.sizes import Size, official_size
from scalectl.exports import verify, write
from scalectl.exports.python_module import import_module


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def describe(network: nn.Module) -> dict[str, set[Any]]:
    """List what two networks of one family have to share."""
    modules = list(network.modules())
    return {
        "norms": {(m.momentum, m.eps) for m in modules if isinstance(m, nn.BatchNorm2d)},
        "layer norms": {m.eps for m in modules if isinstance(m, nn.LayerNorm)},
        "dropout": {m.p for m in modules if isinstance(m, nn.Dropout)},
        "activations": {
            type(m).__name__ for m in modules if "activation" in type(m).__module__.split(".")
        },
        "padding": {
            (m.kernel_size, m.stride, str(m.padding)) for m in modules if isinstance(m, nn.Conv2d)
        },
    }


OWN: list[tuple[str, str, Callable[[], nn.Module]]] = [
    ("torchvision", "efficientnet_b0", torchvision.models.efficientnet_b0),
    ("torchvision", "efficientnetv2_s", torchvision.models.efficientnet_v2_s),
    ("torchvision", "mobilenetv2_100", torchvision.models.mobilenet_v2),
    ("torchvision", "mobilenetv3_large_100", torchvision.models.mobilenet_v3_large),
    ("torchvision", "resnet18", torchvision.models.resnet18),
    ("torchvision", "convnext_tiny", torchvision.models.convnext_tiny),
    ("timm", "efficientnet_b0", lambda: timm.create_model("efficientnet_b0")),
    ("timm", "mobilenetv3_large_100", lambda: timm.create_model("mobilenetv3_large_100")),
    ("timm", "resnet18", lambda: timm.create_model("resnet18")),
    ("timm", "convnext_tiny", lambda: timm.create_model("convnext_tiny")),
]


@pytest.mark.parametrize(("library", "family", "make_own"), OWN)
def test_conventions_are_those_of_the_librarys_own(
    library: str, family: str, make_own: Callable[[], nn.Module], tmp_path: Path
) -> None:
    written = write(official_size(family), library, tmp_path, verify=False)
    module = import_module(Path(str(written.path)))
    with torch.device("meta"):
        ours, own = getattr(module, f"official_{family}")(), make_own()
    expected, emitted = describe(own), describe(ours)
    # Published dropout is of ImageNet's recipes; which layers have it is the class's business.
    assert len(emitted.pop("dropout")) <= 1
    del expected["dropout"]
    assert emitted == expected


def make(family: str) -> Size:
    multipliers = Multipliers(1.0, 1.0, 0.3)
    network = replace(scale(find_architecture(family), multipliers), name=f"{family}_small")
    return replace(official_size("b0"), architecture=network)


def test_transformers_running_statistics_are_averages(tmp_path: Path) -> None:
    """Its own default of 0.99 would make them those of the last batch."""
    from transformers import AutoConfig, AutoModelForImageClassification

    written = write(official_size("b0"), "transformers", tmp_path, verify=False)
    path = Path(str(written.path))
    with torch.device("meta"):
        network = AutoModelForImageClassification.from_config(
            AutoConfig.from_pretrained(path.parent)
        )
    assert describe(network)["norms"] == {(0.1, 1e-5)}
    document = json.loads(path.read_text())
    del document["batch_norm_momentum"]
    path.write_text(json.dumps(document))
    assert "set it to 0.1" in verify(path)[1].note


@pytest.mark.parametrize("family", ["efficientnet_b0", "resnet18"])
def test_transformers_prepares_images_as_the_file_says(family: str, tmp_path: Path) -> None:
    """By AutoImageProcessor, from the folder alone."""
    from transformers import AutoImageProcessor

    written = write(make(family), "transformers", tmp_path, verify=False)
    folder = Path(str(written.path)).parent
    side = make(family).architecture.resolution
    processor = AutoImageProcessor.from_pretrained(folder)
    picture = np.full((200, 300, 3), 255, "uint8")
    pixels = processor(picture, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, side, side)
    assert float(pixels[0, 0, 0, 0]) == pytest.approx((1 - 0.485) / 0.229, abs=1e-3)
    (folder / "preprocessor_config.json").write_text(
        (folder / "preprocessor_config.json")
        .read_text()
        .replace(f'"height": {side}', '"height": 32')
    )
    assert "other images" in verify(folder)[1].note
