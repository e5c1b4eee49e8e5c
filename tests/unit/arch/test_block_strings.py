"""timm's block strings as baselines."""

from ast import literal_eval
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import timm
import torch
from click.testing import CliRunner
from timm.models import _efficientnet_builder as builder
from timm.models import efficientnet, mobilenetv3

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import find_architecture
from scalectl.arch.cost import compute_cost
from scalectl.arch.counter import count_cost
from scalectl.arch.formats.block_strings import parse_network
from scalectl.arch.loading import find_baseline
from scalectl.cli import main
from scalectl.errors import ScalectlError

B0 = (
    "[['ds_r1_k3_s1_e1_c16_se0.25'], ['ir_r2_k3_s2_e6_c24_se0.25'], ['ir_r2_k5_s2_e6_c40_se0.25'],"
    " ['ir_r3_k3_s2_e6_c80_se0.25'], ['ir_r3_k5_s1_e6_c112_se0.25'], ['ir_r4_k5_s2_e6_c192_se0.25'],"
    " ['ir_r1_k3_s1_e6_c320_se0.25']]"
)
FBNET = """
[architecture]
resolution = 224
stem_width = 16
head_width = 1984
activation = "relu"
# As they stand in timm.
blocks = [
    ['ir_r1_k3_s1_e1_c16'],
    ['ir_r1_k3_s2_e6_c24', 'ir_r2_k3_s1_e1_c24'],
    ['ir_r1_k5_s2_e6_c32', 'ir_r1_k5_s1_e3_c32', 'ir_r1_k5_s1_e6_c32', 'ir_r1_k3_s1_e6_c32'],
    ['ir_r1_k5_s2_e6_c64', 'ir_r1_k5_s1_e3_c64', 'ir_r2_k5_s1_e6_c64'],
    ['ir_r3_k5_s1_e6_c112', 'ir_r1_k5_s1_e3_c112'],
    ['ir_r4_k5_s2_e6_c184'],
    ['ir_r1_k3_s1_e6_c352'],
]
"""


class FoundError(Exception):
    """Ends the making of a model where its block strings are known."""


def collect_from_timm(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Collect the different lists of block strings in timm's models, by the first model that has each."""
    collected: dict[str, Any] = {}
    kept: list[Any] = []

    def keep(strings: Any, *_: Any, **__: Any) -> None:
        kept.append(strings)
        raise FoundError

    modules: tuple[ModuleType, ...] = (efficientnet, mobilenetv3)
    for module in modules:
        monkeypatch.setattr(module, "decode_arch_def", keep)
        for name in timm.list_models(module=module.__name__.rpartition(".")[2]):
            with pytest.raises(FoundError):
                timm.create_model(name)
            collected.setdefault(str(kept[-1]), name)
    return {name: strings for strings, name in collected.items()}


def test_all_strings_of_timms_models_are_what_timm_builds_or_refused(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """In parameters and multiply-adds, with one stem and one head; a third without --all-families."""
    with monkeypatch.context() as patch:
        collected = collect_from_timm(patch)
    equal, refused = 0, dict[str, str]()
    step = 1 if request.config.getoption("--all-families") else 3
    for name, strings in list(collected.items())[::step]:
        try:
            network = parse_network(strings)
        except ScalectlError as problem:
            refused[name] = problem.message
            continue
        with torch.device("meta"):
            own = timm.models.EfficientNet(
                block_args=builder.decode_arch_def(literal_eval(strings)),
                num_features=1280,
                act_layer=torch.nn.SiLU,
                round_chs_fn=partial(builder.round_channels, multiplier=1.0),
            )
        assert count_cost(own, 224)[0] == compute_cost(network), name
        equal += 1
    assert equal >= 24 // step
    reasons = ("scalectl has no", "cannot be scaled", "what is", "expands by more than 1")
    assert all(any(reason in text for reason in reasons) for text in refused.values())


def test_a_list_is_the_baseline_that_it_describes() -> None:
    assert parse_network(B0).fingerprint == find_architecture("efficientnet_b0").fingerprint
    result = CliRunner().invoke(main, ["profile", B0, "--json"])
    assert '"params": 5288548' in result.output


def test_a_file_with_strings_has_a_stem_and_a_head_of_its_own(tmp_path: Path) -> None:
    """FBNet-C, with its 1 x 1 expansions of unchanged width, equals timm's."""
    path = tmp_path / "fbnet.toml"
    path.write_text(FBNET)
    network = find_baseline(str(path))
    assert isinstance(network, Architecture)
    with torch.device("meta"):
        own = timm.create_model("fbnetc_100")
    assert count_cost(own, 224)[0] == compute_cost(network)
    assert [stage.joined for stage in network.stages][:4] == [False, False, True, False]


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ("[['ir_r1_k3_s1_c16_x5']]", "no 'x' there"),
        ("[['ir_r1_k3_s1']]", "'c' is missing"),
        ("[['ir_r1_k3_s3_c16']]", "strides are 1 or 2"),
        ("[['ir_r0_k3_s1_c16']]", "strides are 1 or 2, other numbers above 0"),
        ("[['ir_r1_k4_s1_c16']]", "kernel"),
        ("[['ir_r1_k3_s1_c16_nmi']]", "no 'nmi' there"),
        ("[['ir_r1_k3_s1_c16_skips']]", "what is 'skips'"),
        ("[['ir_r1_k3_s1_e1.1_c16']]", "expansion 1.1 of 32 channels"),
        ("[['uir_r1_k3_s1_c16']]", "kind 'uir' cannot be scaled"),
        ("[[3]]", "is no block string"),
        ("[[]]", "stand in lists"),
        ("[['ir_r1'", "and is none"),
        ("[" * 9999, "and is none"),
        ("mha_r1_k3", "kind 'mha' cannot be scaled"),
    ],
)
def test_what_is_wrong_with_strings_is_said(strings: str, message: str) -> None:
    with pytest.raises(ScalectlError, match=message):
        find_baseline(strings)
