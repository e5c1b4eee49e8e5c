"""The space of architectures over a baseline's stages."""

import random
from pathlib import Path

import pytest

from scalectl.arch.baselines import find_architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.cost import compute_cost
from scalectl.arch.scaling import NAMED
from scalectl.arch.sizes import size_at
from scalectl.arch.space import Space, build_architecture, list_dimensions, read_choices
from scalectl.errors import ScalectlError
from scalectl.exports import make_export, write


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
