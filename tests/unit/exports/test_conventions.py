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
from scalectl.exports.conventions import OWN
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
        "classifier": {
            (m.out_features, m.bias is not None)
            for m in [m for m in modules if isinstance(m, nn.Linear)][-1:]
        },
        "padding": {
            (m.kernel_size, m.stride, str(m.padding)) for m in modules if isinstance(m, nn.Conv2d)
        },
    }


SHIPPED: list[tuple[str, str, Callable[[], nn.Module]]] = [
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


@pytest.mark.parametrize(("library", "family", "make_own"), SHIPPED)
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
    assert describe(network)["norms"] == {(0.1, 1e-3)}
    note = verify(path)[1].note
    assert "around 0: set them to 1" in note
    assert "batch norms have" not in note
    document = json.loads(path.read_text())
    del document["batch_norm_momentum"]
    path.write_text(json.dumps(document))
    assert "set it to 0.1" in verify(path)[1].note


OF_TRANSFORMERS = {
    "efficientnet_b0": "EfficientNet",
    "mobilenetv2_100": "MobileNetV2",
    "resnet18": "ResNet",
    "convnext_tiny": "ConvNext",
}


@pytest.mark.parametrize(("family", "name"), OF_TRANSFORMERS.items())
def test_conventions_are_those_of_transformers_own(family: str, name: str, tmp_path: Path) -> None:
    """But for the momentum of EfficientNet's, with which nothing would be averaged."""
    import transformers

    written = write(official_size(family), "transformers", tmp_path, verify=False)
    folder = Path(str(written.path)).parent
    make = transformers.AutoModelForImageClassification.from_config
    with torch.device("meta"):
        own = make(getattr(transformers, f"{name}Config")(tf_padding=False, num_labels=1000))
        ours = make(transformers.AutoConfig.from_pretrained(folder))
    expected, emitted = describe(own), describe(ours)
    assert expected["norms"] <= OWN.get(("transformers", name), set())
    if name == "EfficientNet":
        emitted["norms"] |= {(0.99, 1e-3)}
    # Of ConvNeXt's last one, where its paper's code has 1e-6.
    expected["layer norms"].discard(1e-12)
    kinds = ("norms", "layer norms", "classifier")
    assert {kind: emitted[kind] for kind in kinds} == {kind: expected[kind] for kind in kinds}
    if name in ("MobileNetV2", "ConvNext"):  # the others' own are of another size: B7, ResNet-50
        assert emitted["padding"] == expected["padding"]


OF_KERAS = {
    "efficientnet_b0": "EfficientNetB0",
    "mobilenetv2_100": "MobileNetV2",
    "resnet50": "ResNet50",
    "convnext_tiny": "ConvNeXtTiny",
}


@pytest.mark.parametrize(("family", "name"), OF_KERAS.items())
def test_conventions_are_those_of_keras_own(
    family: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms, activations, biases, dropout; maps of odd size are padded as torch pads them."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    written = write(make(family), "keras", tmp_path, verify=False)
    ours = getattr(import_module(Path(str(written.path))), f"{family}_small")()
    own = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classifier_activation=None
    )
    emitted, expected = describe_layers(ours), describe_layers(own)
    if family == "convnext_tiny":  # whose own has grouped convolutions and layers for activations
        emitted, expected = (
            {kind: each[kind] for kind in ("layer norms", "classifier")}
            for each in (emitted, expected)
        )
    assert emitted == expected


def describe_layers(model: Any) -> dict[str, set[Any]]:
    """List what two networks of one family have to share in Keras."""
    layers = model.layers

    def pick(*names: str) -> list[Any]:
        return [layer for layer in layers if type(layer).__name__ in names]

    return {
        "norms": {(layer.momentum, layer.epsilon) for layer in pick("BatchNormalization")},
        "layer norms": {layer.epsilon for layer in pick("LayerNormalization")},
        "activations": {
            *(layer.activation.__name__ for layer in pick("Activation")),
            *("relu6" for layer in pick("ReLU") if layer.max_value == 6),
        },
        "depthwise": {(layer.use_bias, layer.strides) for layer in pick("DepthwiseConv2D")},
        "classifier": {layers[-1].use_bias, layers[-1].units, layers[-1].activation.__name__},
    }


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
