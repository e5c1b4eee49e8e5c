"""Models that are saved and loaded."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scalectl.arch.baselines import find_architecture
from scalectl.arch.scaling import Multipliers, scale
from scalectl.arch.sizes import official_size
from scalectl.exports import write
from scalectl.exports.python_module import import_module

FAMILIES = [
    "efficientnet_b0",
    "efficientnet_es",
    "mobilenetv1_100",
    "mobilenetv3_small_100",
    "resnet18",
    "regnety_004",
    "convnext_tiny",
]
LOAD = """
import sys, keras, numpy
for folder in sys.argv[1:]:
    sys.path.insert(0, folder)
    __import__(f"{folder.rsplit('/')[-1]}_keras")
    model = keras.saving.load_model(f"{folder}/model.keras")
    images = numpy.load(f"{folder}/images.npy")
    numpy.save(f"{folder}/loaded.npy", keras.ops.convert_to_numpy(model(images)))
"""


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_saved_models_of_all_families_are_loaded_in_a_new_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the emitted module imported, as Keras asks of layers that it does not have."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    expected = {}
    for family in FAMILIES:
        network = scale(find_architecture(family), Multipliers(0.3, 0.5, 0.2))
        size = replace(official_size("b0"), architecture=replace(network, name=family))
        folder = tmp_path / family
        written = write(size, "keras", folder, verify=False)
        model = getattr(import_module(Path(str(written.path))), family)(classes=5)
        model.save(folder / "model.keras")
        side = network.resolution
        images = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype("float32")
        np.save(folder / "images.npy", images)
        expected[folder] = keras.ops.convert_to_numpy(model(images))
    subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, expected)],
        check=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    for folder, logits in expected.items():
        np.testing.assert_allclose(np.load(folder / "loaded.npy"), logits, rtol=1e-4, atol=1e-5)
