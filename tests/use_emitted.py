"""Use emitted files as their owners do, without scalectl: build, run, train, save, load, quantise.

Takes a folder with one folder for each format and the names of formats; prints what went wrong by
format and network, as JSON.
"""

import json
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

sys.modules["scalectl"] = None  # type: ignore[assignment]  # so that importing it fails

CLASSES = 7
"""Other than the files say."""


def use_module(form: str, name: str, folder: Path) -> None:
    """Use a network that a function of the module makes."""
    sys.path.insert(0, str(folder))
    module = import_module(name if form == "timm" else f"{name}_{form}")
    make: Callable[[], Any] = lambda: getattr(module, name)(num_classes=CLASSES)  # noqa: E731
    if form == "timm":
        import timm

        make = lambda: timm.create_model(name, num_classes=CLASSES)  # noqa: E731
    train_torch(make, module.CLAIMS["input_size"][1], folder / f"{name}.pt")


def use_transformers(_form: str, name: str, folder: Path) -> None:
    """Use a folder by the Auto classes, and one that they have saved."""
    import torch
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = AutoConfig.from_pretrained(folder / name, num_labels=CLASSES)
            self.model = AutoModelForImageClassification.from_config(config)

        def forward(self, images: Any) -> Any:
            return self.model(images).logits

    AutoImageProcessor.from_pretrained(folder / name)
    size = json.loads((folder / name / "config.json").read_text())["image_size"]
    network = train_torch(Logits, size, folder / f"{name}.pt")
    network.model.save_pretrained(folder / name / "saved")
    again = AutoModelForImageClassification.from_pretrained(folder / name / "saved").eval()
    images = torch.randn(2, 3, size, size)
    torch.testing.assert_close(again(images).logits, network.eval()(images))


def train_torch(make: Callable[[], Any], size: int, place: Path) -> Any:
    """Take a step with a network of torch; another one with its saved weights gives its logits."""
    import torch

    network, images = make(), torch.randn(4, 3, size, size)
    for count in (1, 4):
        assert network.eval()(images[:count]).shape == (count, CLASSES)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    torch.nn.functional.cross_entropy(network.train()(images), torch.arange(4)).backward()
    assert all(part.grad is not None for part in network.parameters())
    optimizer.step()
    torch.save(network.state_dict(), place)
    again = make()
    again.load_state_dict(torch.load(place, weights_only=True))
    torch.testing.assert_close(again.eval()(images), network.eval()(images))
    return network


def use_keras(form: str, name: str, folder: Path) -> None:
    """Train a step; a model that is loaded gives the same logits."""
    import keras

    sys.path.insert(0, str(folder))
    module = import_module(f"{name}_{form}")
    model = getattr(module, name)(classes=CLASSES)
    size = module.CLAIMS["input_size"][1]
    images = np.random.default_rng(0).normal(size=(4, size, size, 3)).astype("float32")
    for count in (1, 4):
        assert tuple(model(images[:count]).shape) == (count, CLASSES)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.train_on_batch(images, np.arange(4)))
    model.save(folder / f"{name}.keras")
    again = keras.saving.load_model(folder / f"{name}.keras")
    logits, expected = (keras.ops.convert_to_numpy(each(images)) for each in (again, model))
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def use_onnx(_form: str, name: str, folder: Path) -> None:
    """Run a file for one image and four, as it is and quantised."""
    import onnxruntime
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, quantised = folder / f"{name}_prepared.onnx", folder / f"{name}_quantised.onnx"
    quant_pre_process(folder / f"{name}.onnx", prepared)
    quantize_dynamic(prepared, quantised)
    for path in (folder / f"{name}.onnx", quantised):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape[1:]
        for count in (1, 4):
            (logits,) = session.run(None, {"images": np.zeros((count, *shape), "float32")})
            assert logits.shape == (count, CLASSES)
            assert np.isfinite(logits).all()


USES = {"transformers": use_transformers, "keras": use_keras, "onnx": use_onnx}


def main(folder: Path, forms: list[str]) -> None:
    """Use all files of these formats."""
    results = {}
    for form in forms:
        for name in json.loads((folder / form / "names.json").read_text()):
            try:
                USES.get(form, use_module)(form, name, folder / form)
                results[f"{form} {name}"] = ""
            except Exception:
                results[f"{form} {name}"] = traceback.format_exc()
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
