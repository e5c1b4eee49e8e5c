"""The space of architectures over a baseline's stages."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from scalectl.arch.baselines import find_architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.cost import compute_cost
from scalectl.arch.counter import count_cost
from scalectl.arch.scaling import NAMED
from scalectl.arch.sizes import size_at
from scalectl.arch.space import (
    Space,
    build_architecture,
    fuse_early_stages,
    list_dimensions,
    read_choices,
)
from scalectl.errors import ScalectlError
from scalectl.exports import make_export, write
from scalectl.nn.build import build_on_meta


def draw(seed: int) -> dict[str, object]:
    dice = random.Random(seed)
    return {name: dice.choice(values) for name, values in list_dimensions(Space(), B0).items()}


def test_the_baseline_is_in_its_space() -> None:
    """With its own values first, though they may be in no list: B0's first expansion is 1."""
    dimensions = list_dimensions(Space(), B0)
    assert len(dimensions) == 7 * 7
    assert dimensions["stage1.expansion"] == (1, 3, 4, 6)
    assert dimensions["stage5.kernel"] == (5, 3)
    first = {name: values[0] for name, values in dimensions.items()}
    assert build_architecture(B0, first).fingerprint == B0.fingerprint
    assert build_architecture(B0, {}).fingerprint == B0.fingerprint


def test_a_choice_holds_for_all_blocks_of_its_stage() -> None:
    choices = {
        "stage2.block": "fused",
        "stage2.kernel": 5,
        "stage2.expansion": 4,
        "stage2.se_ratio": 0,
        "stage2.repeats": 1,
        "stage2.width": 1.25,
        "stage2.skip": False,
    }
    network = build_architecture(B0, choices)
    (stage,) = [stage for stage in network.list_blocks() if stage[0].kind == "fused"]
    assert len(stage) == 3
    assert {(block.kernel, block.squeezed, block.skip, block.out) for block in stage} == {
        (5, 0, False, 32)
    }
    assert network.stages[2:] == B0.stages[2:]
    assert read_choices(B0, network)["stage2.repeats"] == 1
    assert list_dimensions(Space(kernel=(3,), skip=(True,)), B0).keys() == {
        name
        for name in list_dimensions(Space(), B0)
        if not name.endswith("skip") and (not name.endswith("kernel") or name[5] in "356")
    }


def test_choices_that_change_nothing_make_no_other_network() -> None:
    """A separable block has no expansion and no shortcut; one block is always left."""
    separable = {"stage1.block": "separable", "stage1.repeats": -1}
    others = {"stage1.expansion": 6, "stage1.skip": False, "stage1.repeats": 0}
    first, second = (build_architecture(B0, choices) for choices in (separable, separable | others))
    assert first.fingerprint == second.fingerprint != B0.fingerprint
    assert first.stages[0].repeats == 1


def test_what_is_drawn_is_built_as_it_is_counted(tmp_path: Path) -> None:
    """In torch and in timm, from files that are verified."""
    network = build_architecture(B0, draw(0))
    size = size_at(network, NAMED["dwr"], 0, "a test")
    assert size.cost == compute_cost(network)
    for form in ("torch", "timm"):
        assert make_export(form).find_obstacle(network) == ""
        assert write(size, form, tmp_path, verify=True).verified


def test_other_blocks_have_no_space() -> None:
    with pytest.raises(ScalectlError, match="resnet50 has bottleneck blocks"):
        list_dimensions(Space(), find_architecture("resnet50"))


def test_early_stages_are_fused_and_the_rest_stays() -> None:
    """Widths, layers, strides and squeeze-and-excitation too; costs are those of the built network."""
    fused = fuse_early_stages(B0, 3)
    assert list(fused) == [(), (1,), (1, 2), (1, 2, 3)]
    assert fused[()].stages == B0.stages
    for stages, network in fused.items():
        for number, (own, stage) in enumerate(zip(B0.stages, network.stages, strict=True), 1):
            assert stage == (replace(own, block="fused") if number in stages else own)
        assert count_cost(build_on_meta(network), network.resolution)[0] == compute_cost(network)
    macs = [compute_cost(network).macs for network in fused.values()]
    assert macs[0] == 385_814_752
    assert macs == sorted(macs)


def test_only_mbconv_stages_are_fused() -> None:
    """EfficientNetV2 begins with fused ones; ResNets have none."""
    network = find_architecture("efficientnetv2_s")
    assert list(fuse_early_stages(network, 2)) == [(), (4,), (4, 5)]
    with pytest.raises(ScalectlError, match="has 3 mbconv stages, and 4 are to be fused"):
        fuse_early_stages(network, 4)
    with pytest.raises(ScalectlError, match="resnet50 has no mbconv stages"):
        fuse_early_stages(find_architecture("resnet50"), 1)
