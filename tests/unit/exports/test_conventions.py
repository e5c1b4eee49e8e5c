"""What parameters and multiply-adds do not show: norms, activations, padding and dropout."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import FAMILIES
from torch import nn

from scalectl.arch.baselines import find_architecture
from scalectl.arch.factory import cost_of
from scalectl.arch.scaling import Multipliers, scale
from scalectl.arch.sizes import Size, official_size
from scalectl.exports import verify, write
from scalectl.exports.checks.conventions import Convention, tell
from scalectl.exports.python_module import import_module


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


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
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-3)}
    note = verify(path)[1].note
    assert "around 0: set them to 1" in note
    assert "but its batch norms" not in note
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


EXPRESSED = {
    "timm": FAMILIES,
    "torchvision": [
        "efficientnet_b0",
        "efficientnetv2_b0",
        "mobilenetv2_100",
        "mobilenetv3_large_100",
        "resnet18",
        "convnext_tiny",
        "regnetx_002",
    ],
    "transformers": ["efficientnet_b0", "mobilenetv2_100", "resnet18", "convnext_tiny"],
    "keras": [
        "efficientnet_b0",
        "efficientnetv2_b0",
        "mobilenetv1_100",
        "mobilenetv2_100",
        "mobilenetv3_small_100",
        "resnet18",
        "convnext_tiny",
    ],
}
"""Library -> families of which it ships a network."""
OTHERS = {
    ("transformers", "efficientnet_b0"): {"batch norms", "padding of strided grouped convolutions"},
    ("transformers", "mobilenetv2_100"): {
        "padding of strided convolutions",
        "padding of grouped convolutions",
        "padding of strided grouped convolutions",
    },
    ("transformers", "convnext_tiny"): {"layer norms"},
    ("keras", "mobilenetv3_small_100"): {
        "activations",
        "padding of strided convolutions",
        "padding of strided grouped convolutions",
    },
    **{
        ("keras", family): {
            "padding of strided convolutions",
            "padding of strided grouped convolutions",
        }
        for family in ("efficientnet_b0", "efficientnetv2_b0", "mobilenetv1_100", "mobilenetv2_100")
    },
}
"""What is other on purpose."""


def list_conventions(library: str, family: str, folder: Path) -> dict[str, Convention]:
    network = replace(find_architecture(family), name=f"{family}_own")
    size = replace(official_size("b0"), architecture=network, cost=cost_of(network))
    written = write(size, library, folder, verify=False)
    result = verify(Path(str(written.path)))[1]
    assert result.ok
    if (library, family) != ("transformers", "mobilenetv2_100"):  # whose code has 0.997
        assert "; but" not in result.note
    assert result.comparison is not None
    return {each.name: each for each in result.comparison.conventions}


@pytest.mark.parametrize(
    ("library", "family"), [(key, family) for key, each in EXPRESSED.items() for family in each]
)
def test_verify_compares_with_a_network_that_the_library_ships(
    library: str, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms, activations, padding and how weights are drawn; what is other has its reason."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    conventions = list_conventions(library, family, tmp_path)
    others = {name for name, each in conventions.items() if each.same is False}
    assert others == OTHERS.get((library, family), set())
    assert all(each.reason for each in conventions.values() if not each.same)
    compared = {name.partition(" of ")[0] for name, each in conventions.items() if each.own}
    norms = "layer norms" if family == "convnext_tiny" else "batch norms"
    blind = (library, family) == ("torchvision", "convnext_tiny")
    assert compared >= {norms, "activations", "padding", *([] if blind else ["initialisation"])}


PLANTED = [
    (
        "timm",
        "efficientnet_b0",
        '"silu": nn.SiLU',
        '"silu": nn.ReLU',
        "activations: relu and sigmoid;",
    ),
    ("timm", "efficientnet_b0", "own = {", 'own = {"pad_type": "same",', "more at the end"),
    (
        "timm",
        "efficientnet_b0",
        '"drop_rate": network["dropout"]',
        '"drop_rate": 0.5',
        "dropout is 0.5",
    ),
    (
        "timm",
        "convnext_tiny",
        '": network["drop_path"]',
        '": 0.0',
        "drop_path is 0, the file says 0.1",
    ),
    ("timm", "resnet18", "module.reset_parameters()", "pass", "linear layers: normal, 0.01;"),
    ("torchvision", "efficientnetv2_b0", "eps=1e-3", "eps=1e-2", "momentum 0.1, eps 0.01;"),
    ("torchvision", "resnet18", "layers, **", "layers, zero_init_residual=True, **", "0 and 1;"),
    ("transformers", "resnet18", '"relu"', '"gelu"', "activations: gelu and relu;"),
    ("transformers", "efficientnet_b0", '"dropout_rate"', '"no_rate"', "dropout is 0.5"),
    (
        "keras",
        "efficientnet_b0",
        '"silu": "silu"',
        '"silu": "relu"',
        "activations: relu and sigmoid;",
    ),
    ("keras", "efficientnet_b0", '"truncated_normal"', '"uniform"', "fan_out, uniform);"),
    ("keras", "resnet18", "1.001e-5", "1e-2", "momentum 0.99, eps 0.01;"),
    ("keras", "mobilenetv1_100", 'Dropout(network["dropout"])', "Dropout(0.7)", "dropout is 0.7"),
]


@pytest.mark.parametrize(("library", "family", "before", "after", "said"), PLANTED)
def test_what_was_changed_in_a_file_is_said(
    library: str,
    family: str,
    before: str,
    after: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parameters and multiply-adds are as before."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    network = replace(find_architecture(family), name=f"{family}_other")
    size = replace(official_size("b0"), architecture=network, cost=cost_of(network))
    path = Path(str(write(size, library, tmp_path, verify=False).path))
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    result = verify(path)[1]
    assert result.ok
    assert "; but " in result.note
    assert said in result.note


def test_what_no_library_ships_is_said_to_be_left_out(tmp_path: Path) -> None:
    conventions = list_conventions("timm", "efficientnet_b0", tmp_path)
    assert {each.same for each in conventions.values()} == {True}
    network = replace(find_architecture("efficientnet_b0"), activation="gelu", name="own")
    size = replace(official_size("b0"), architecture=network, cost=cost_of(network))
    path = Path(str(write(size, "timm", tmp_path, verify=False).path))
    comparison = verify(path)[1].comparison
    assert comparison is not None
    (line,) = tell(comparison)
    assert line.startswith("not compared: batch norms, activations, padding, dropout, init")
    assert line.endswith("timm ships no such network")
    path = Path(str(write(size, "torch", tmp_path, verify=False).path))
    assert verify(path)[1].comparison is None


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_no_two_layers_of_keras_begin_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An initializer that layers share would draw the same weights for each shape."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    for family in ("efficientnet_b0", "resnet18"):
        written = write(make(family), "keras", tmp_path, verify=False)
        model = getattr(import_module(Path(str(written.path))), f"{family}_small")()
        kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
        arrays = [np.asarray(keras.ops.convert_to_numpy(kernel)) for kernel in kernels]
        assert len({array.tobytes() for array in arrays}) == len(arrays) > 10
