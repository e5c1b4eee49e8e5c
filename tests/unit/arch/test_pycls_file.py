"""Files of pycls as baselines."""

import json
from pathlib import Path

import pytest

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import find_architecture
from scalectl.arch.cost import compute_cost
from scalectl.arch.loading import find_baseline
from scalectl.arch.scaling import NAMED
from scalectl.arch.sizes import size_at
from scalectl.errors import ScalectlError
from scalectl.exports import write

Shape = tuple[int, int, float, float, int, bool]
"""DEPTH, W0, WA, WM, GROUP_W, SE_ON."""
PUBLISHED: list[tuple[str, Shape, float, float, float]] = [
    # 10^9 multiply-adds, 10^6 parameters, 10^6 activations: pycls, MODEL_ZOO.md.
    ("RegNetX-200MF", (13, 24, 36.44, 2.49, 8, False), 0.2, 2.7, 2.2),
    ("RegNetX-1.6GF", (18, 80, 34.01, 2.25, 24, False), 1.6, 9.2, 7.9),
    ("RegNetX-8.0GF", (23, 80, 49.56, 2.88, 120, False), 8.0, 39.6, 14.1),
    ("RegNetX-32GF", (23, 320, 69.86, 2.0, 168, False), 31.7, 107.8, 36.3),
    ("RegNetY-400MF", (16, 48, 27.89, 2.09, 8, True), 0.4, 4.3, 3.9),
    ("RegNetY-12GF", (19, 168, 73.36, 2.37, 112, True), 12.1, 51.8, 21.4),
    ("RegNetY-32GF", (20, 232, 115.89, 2.53, 232, True), 32.3, 145.0, 30.3),
]
RESNET = """
MODEL: {TYPE: anynet, NUM_CLASSES: 1000}
ANYNET:
  STEM_TYPE: res_stem_in
  STEM_W: 64
  STRIDES: [1, 2, 2, 2]
  DEPTHS: [3, 4, 6, 3]
  WIDTHS: [256, 512, 1024, 2048]
  BOT_MULS: [0.25, 0.25, 0.25, 0.25]
  GROUP_WS: [64, 128, 256, 512]
OPTIM: {BASE_LR: 0.2, WEIGHT_DECAY: 5e-5}
TRAIN: {DATASET: imagenet, IM_SIZE: 224}
"""


def read(text: str, folder: Path) -> Architecture:
    path = folder / "net.yaml"
    path.write_text(text)
    network = find_baseline(str(path))
    assert isinstance(network, Architecture)
    return network


@pytest.mark.parametrize(("name", "shape", "macs", "params", "activations"), PUBLISHED)
def test_regnets_cost_what_was_published(
    name: str, shape: Shape, macs: float, params: float, activations: float, tmp_path: Path
) -> None:
    keys = ("DEPTH", "W0", "WA", "WM", "GROUP_W", "SE_ON")
    regnet = "\n".join(f"  {key}: {value}" for key, value in zip(keys, shape, strict=True))
    cost = compute_cost(
        read(f"MODEL:\n  TYPE: regnet\n  NUM_CLASSES: 1000\nREGNET:\n{regnet}", tmp_path)
    )
    counted = (cost.macs / 1e9, cost.params / 1e6, cost.activations / 1e6)
    assert tuple(round(each, 1) for each in counted) == (macs, params, activations), name


def test_a_resnet_is_the_one_that_everybody_has(tmp_path: Path) -> None:
    """In both of pycls' ways to write it; its groups are none, since each stage has one."""
    expected = find_architecture("resnet50")
    network = read(RESNET, tmp_path)
    assert network.fingerprint == expected.fingerprint
    assert network.rounding == expected.rounding
    older = "MODEL: {TYPE: resnet, DEPTH: 50, NUM_CLASSES: 1000}\nRESNET: {TRANS_FUN: bottleneck_transform, STRIDE_1X1: False}"
    assert read(older, tmp_path).fingerprint == expected.fingerprint
    grouped = read(older.replace("False", "False, NUM_GROUPS: 32, WIDTH_PER_GROUP: 4"), tmp_path)
    assert round(compute_cost(grouped).params / 1e6, 1) == 25.0  # ResNeXt-50 in MODEL_ZOO.md


@pytest.mark.parametrize("name", ["efficientnet_b3", "resnet50", "regnety_004"])
def test_what_is_exported_to_pycls_is_a_baseline_again(name: str, tmp_path: Path) -> None:
    size = size_at(find_architecture(name), NAMED["paper"], 1, "paper")
    written = write(size, "pycls", tmp_path, verify=False)
    network = find_baseline(str(written.path))
    assert isinstance(network, Architecture)
    assert compute_cost(network) == size.cost
    assert network.resolution == size.architecture.resolution


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("TYPE: anynet", "TYPE: vit", "MODEL: type"),
        ("MODEL: {TYPE: anynet, NUM_CLASSES: 1000}", "MODEL: 3", "MODEL is no table"),
        ("res_stem_in", "res_stem_cifar", "ANYNET: stem_type"),
        ("[3, 4, 6, 3]", "[3, 4, 6]", "its lists have 3 and 4 entries"),
        ("[3, 4, 6, 3]", "[3, 4, 6, -3]", "depths.3"),
        ("STEM_W", "STEM_X", "stem_x"),
        ("[64, 128, 256, 512]", "[64, 100, 256, 512]", "100 does not divide"),
        ("IM_SIZE: 224", "IM_SIZE: 2e9", "resolution"),
        ("TRAIN:", "A: &a [1]\nB: *a\nTRAIN:", "aliases"),
        ("TRAIN:", "A: !!python/object/apply:os.system [echo]\nTRAIN:", "could not determine"),
        ("TRAIN:", "A: " + "[" * 9999 + "\nTRAIN:", "nested too deeply"),
        ("TRAIN:", "}", "cannot be parsed"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    before: str, after: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScalectlError, match=message):
        read(RESNET.replace(before, after), tmp_path)


def test_inner_widths_that_are_rounded_otherwise_are_refused(tmp_path: Path) -> None:
    size = size_at(find_architecture("efficientnet_b0"), NAMED["paper"], 0, "paper")
    text = Path(str(write(size, "pycls", tmp_path, verify=False).path)).read_text()
    document = json.loads(text.partition("\n")[2])
    document["EN"]["WIDTHS"][0] = 18
    with pytest.raises(ScalectlError, match="a block of 18 channels has 108 inner"):
        read(json.dumps(document), tmp_path)
