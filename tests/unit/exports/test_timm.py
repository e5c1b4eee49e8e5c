from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from scalectl.arch.baselines import find_architecture
from scalectl.arch.scaling import NAMED
from scalectl.arch.sizes import size_at
from scalectl.exports import write
from scalectl.exports.python_module import import_module

FAMILIES = [
    "efficientnet_b0",
    "efficientnet_es",
    "mobilenetv1_100",
    "mobilenetv3_large_100",
    "resnet18",
    "resnet50",
    "convnext_tiny",
    "regnety_004",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sizes of all families, registered with timm under their own names."""
    folder = tmp_path_factory.mktemp("emitted")
    for name in FAMILIES:
        size = size_at(find_architecture(name), NAMED["width"], 0, "width")
        written = write(size, "timm", folder, verify=False)
        assert written.path is not None
        import_module(Path(written.path))
    return folder


def create(family: str, **settings: Any) -> Any:
    with torch.device("meta"):
        return timm.create_model(family, **settings).eval()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("family", FAMILIES)
def test_they_take_what_timms_own_models_take(family: str) -> None:
    """Feature maps, classes, channels, poolings, rates and batch norms, compared with timm's own."""
    ours, images = f"{family}_phi0", torch.empty(2, 3, 224, 224, device="meta")
    own = create(family, features_only=True)
    maps = create(ours, features_only=True)
    assert maps.feature_info.channels() == own.feature_info.channels()
    assert maps.feature_info.reduction() == own.feature_info.reduction()
    assert [feature.shape for feature in maps(images)] == [feature.shape for feature in own(images)]
    chosen = create(ours, features_only=True, out_indices=(1, 3), in_chans=1)
    assert [feature.shape[1] for feature in chosen(images[:, :1])] == [
        own.feature_info.channels()[index] for index in (1, 3)
    ]
    unpooled = create(family, num_classes=0, global_pool="")(images)
    headless = create(ours, num_classes=0, global_pool="")
    assert headless(images).shape == unpooled.shape
    network = create(ours, num_classes=7, in_chans=5, drop_rate=0.3, drop_path_rate=0.1)
    assert network(torch.empty(2, 5, 96, 96, device="meta")).shape == (2, 7)
    assert network.num_classes == 7
    assert network.drop_rate == 0.3
    assert network.default_cfg["input_size"] == (3, 224, 224)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("family", ["efficientnet_b0", "mobilenetv3_large_100", "resnet18"])
@pytest.mark.parametrize("features_only", [False, True])
def test_batch_norms_are_set_as_in_timms_own(family: str, features_only: bool) -> None:
    network = create(f"{family}_phi0", bn_momentum=0.01, bn_eps=0.001, features_only=features_only)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 0.001)}


def test_own_weights_are_loaded_for_other_classes_and_channels(folder: Path) -> None:
    """As timm fits its published weights to a task."""
    path = folder / "weights.pth"
    source = timm.create_model("mobilenetv3_large_100_phi0")
    torch.save(source.state_dict(), path)
    network = timm.create_model(
        "mobilenetv3_large_100_phi0",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(path)},
        num_classes=3,
        in_chans=1,
    )
    torch.testing.assert_close(network.blocks.state_dict(), source.blocks.state_dict())
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 3)
    residual = timm.create_model("resnet18_phi0")
    torch.save(residual.state_dict(), path)
    again = timm.create_model(
        "resnet18_phi0", pretrained=True, pretrained_cfg_overlay={"file": str(path)}
    )
    torch.testing.assert_close(again.state_dict(), residual.state_dict())
    with pytest.raises(RuntimeError, match="No pretrained weights"):
        timm.create_model("mobilenetv3_large_100_phi0", pretrained=True)
    with pytest.raises(TypeError):
        timm.create_model("mobilenetv3_large_100_phi0", no_such_argument=1)
