"""Own classes, channels and headless networks, in every format."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from scalectl.arch.baselines import find_architecture
from scalectl.arch.factory import cost_of
from scalectl.arch.scaling import Multipliers, scale
from scalectl.arch.sizes import Size, official_size
from scalectl.cli import main
from scalectl.exports import verify, write
from scalectl.exports.python_module import import_module

FAMILIES = [
    "efficientnet_b0",
    "mobilenetv2_100",
    "mobilenetv3_small_100",
    "resnet18",
    "regnetx_002",
    "convnext_tiny",
]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def make(family: str, classes: int, channels: int) -> Size:
    network = scale(find_architecture(family), Multipliers(0.5, 1.0, 0.3))
    network = replace(network, name=f"{family}_small", classes=classes, channels=channels)
    multipliers = Multipliers(0.5, 1.0, 0.3)
    return replace(
        official_size("b0"), architecture=network, cost=cost_of(network), multipliers=multipliers
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("library", ["timm", "transformers", "torchvision", "keras", "torch"])
def test_headless_networks_of_one_channel_are_what_was_counted(
    library: str, family: str, tmp_path: Path
) -> None:
    written = write(make(family, 0, 1), library, tmp_path, verify=False)
    if written.path is None:
        assert (library, family) in (
            ("transformers", "mobilenetv3_small_100"),
            ("transformers", "mobilenetv2_100"),
            ("transformers", "regnetx_002"),
            ("torchvision", "resnet18"),
        )
        return
    result = verify(Path(written.path))[1]
    assert result.ok, result.note


@pytest.mark.parametrize("library", ["torchvision", "torch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_functions_take_classes_and_channels(library: str, family: str, tmp_path: Path) -> None:
    written = write(make(family, 10, 3), library, tmp_path, verify=False)
    if written.path is None:
        return
    function: Callable[..., torch.nn.Module] = getattr(
        import_module(Path(written.path)), f"{family}_small"
    )
    with torch.device("meta"):
        images = torch.zeros(2, 5, 64, 64)
        assert function().eval()(images[:, :3]).shape == (2, 10)
        assert function(num_classes=7, in_channels=5).eval()(images).shape == (2, 7)
        features = function(num_classes=0).eval()(images[:, :3])
    assert features.shape[1] > 100
    assert features.dim() == 2


def test_torchvisions_own_settings_are_taken(tmp_path: Path) -> None:
    written = write(make("efficientnet_b0", 10, 3), "torchvision", tmp_path, verify=False)
    module = import_module(Path(str(written.path)))
    network = module.efficientnet_b0_small(dropout=0.7, stochastic_depth_prob=0.0)
    assert network.classifier[0].p == 0.7


def test_scale_and_profile_take_classes_and_channels(tmp_path: Path) -> None:
    """And refuse what has no meaning."""
    runner = CliRunner()
    arguments = ["--official", "b0", "--classes", "10", "--in-channels", "1", "--to", "timm"]
    result = runner.invoke(main, ["scale", *arguments, "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "as stated" in result.output
    result = runner.invoke(main, ["profile", "b0", "--classes", "0", "--json"])
    assert '"params": 4007548' in result.output
    for arguments in (["--classes", "-1"], ["--in-channels", "0"]):
        assert runner.invoke(main, ["scale", "--phi", "1", *arguments]).exit_code == 2
