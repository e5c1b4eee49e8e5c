import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from factories import FAMILIES

from scalectl import exports
from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import find_architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.factory import cost_of
from scalectl.arch.loading import load_network
from scalectl.arch.scaling import NAMED, Multipliers, scale
from scalectl.arch.sizes import Size, official_size, size_at
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.exports import EXPORTS, make_export, verify, write
from scalectl.exports.checks.verification import Verification

SIZES = [
    size_at(B0, NAMED["paper"], 1.5, "paper"),
    size_at(replace(B0, classes=10), NAMED["depth"], 1, 'a "run"\n'),
    official_size("b2"),
]
CHECKED = [name for name in EXPORTS if name != "pycls"]


def emit(size: Size, name: str, folder: Path) -> Path:
    written = write(size, name, folder, verify=False)
    assert written.path is not None, written.note
    return Path(written.path)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_what_is_emitted_is_what_was_scaled(name: str, size: Size, tmp_path: Path) -> None:
    """Built from the file where it will be used."""
    form, result = verify(emit(size, name, tmp_path))
    assert form == name
    assert result.ok
    assert result.forward_ok
    assert result.params == result.expected_params == size.cost.params


@pytest.mark.parametrize("name", [name for name in CHECKED if name != "onnx"])
@pytest.mark.parametrize("quantity", ["params", "macs"])
def test_a_file_with_a_wrong_number_is_found_out(name: str, quantity: str, tmp_path: Path) -> None:
    """The claim is compared with the network."""
    path = emit(SIZES[0], name, tmp_path)
    number = str(getattr(SIZES[0].cost, quantity))
    text = path.read_text()
    assert number in text
    path.write_text(text.replace(number, "1234567"))
    assert not verify(path)[1].ok


@pytest.mark.parametrize("name", ["json", "toml", "torch", "timm", "torchvision", "keras"])
def test_a_file_with_another_network_is_found_out(name: str, tmp_path: Path) -> None:
    """One width, changed by hand."""
    path = emit(SIZES[0], name, tmp_path)
    text = path.read_text()
    for before, after in (("'out': 48", "'out': 56"), ('"width": 48', '"width": 56')):
        text = text.replace(before, after)
    text = text.replace("width = 48", "width = 56")
    assert text != path.read_text()
    path.write_text(text)
    assert verify(path)[1].ok is False


EXPRESSED = {
    "timm": set(FAMILIES),
    "keras": set(FAMILIES),
    "torchvision": set(FAMILIES)
    - {"efficientnet_lite0", "efficientnet_es", "mobilenetv1_100", "mnasnet_100"},
    "transformers": {
        "efficientnet_b0",
        "mobilenetv2_100",
        "resnet18",
        "resnet50",
        "convnext_tiny",
    },
}
RANDOM_SIZES = 5
"""Most that are built, of twice as many: a library may refuse some."""


def draw(name: str, number: int) -> Size:
    """Random multipliers; every fourth size grows one dimension less."""
    source = random.Random(f"{name} {number}")
    multipliers = Multipliers(
        1.0 if number % 4 == 1 else source.uniform(0.3, 1.3),
        1.0 if number % 4 == 2 else source.uniform(0.4, 1.3),
        source.uniform(0.15, 0.4),
    )
    network = replace(scale(find_architecture(name), multipliers), name=f"{name}_{number}")
    return Size(
        source="random",
        coefficients=None,
        phi=None,
        multipliers=multipliers,
        nominal_ratio=1.0,
        realised_ratio=1.0,
        architecture=network,
        cost=cost_of(network),
    )


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("library", EXPRESSED)
def test_libraries_build_what_was_counted_or_refuse(
    library: str, name: str, tmp_path: Path
) -> None:
    """Parameters, multiply-adds and a forward pass, for random sizes of each family."""
    results: list[Verification] = []
    for number in range(10):
        if len(results) == RANDOM_SIZES:
            break
        size = draw(name, number)
        written = write(size, library, tmp_path, verify=False)
        if written.path is None:
            assert written.note.startswith("refused: ")
        else:
            results.append(verify(Path(written.path))[1])
    assert all(result.ok for result in results), [
        result.note for result in results if not result.ok
    ]
    if (library, name) != ("transformers", "mobilenetv2_100"):  # whose code has a momentum of 0.997
        assert not [result.note for result in results if "; but" in result.note]
    assert bool(results) == (name in EXPRESSED[library])


def test_pycls_files_say_the_same_in_its_words(tmp_path: Path) -> None:
    """They are YAML, which JSON is; pycls itself is on no package index."""
    path = emit(SIZES[0], "pycls", tmp_path)
    document = json.loads(path.read_text().partition("\n")[2])
    network = SIZES[0].architecture
    assert isinstance(network, Architecture)
    stages = network.stages
    assert document["EN"]["DEPTHS"] == [stage.repeats for stage in stages]
    assert document["EN"]["WIDTHS"] == [stage.width for stage in stages]
    assert verify(path)[1].ok
    document["EN"]["DEPTHS"][0] += 1
    path.write_text(f"{path.read_text().partition(chr(10))[0]}\n{json.dumps(document)}")
    assert verify(path)[1].ok is False
    path = emit(
        size_at(find_architecture("regnety_004"), NAMED["dwr"], 1, "dwr"), "pycls", tmp_path
    )
    assert "SE_ON" in path.read_text()


@pytest.mark.parametrize("name", ["json", "toml"])
@pytest.mark.parametrize("family", ["efficientnet_b0", "mobilenetv3_large_100", "convnext_tiny"])
def test_an_emitted_config_is_a_baseline(name: str, family: str, tmp_path: Path) -> None:
    """Closure."""
    size = size_at(find_architecture(family), NAMED["paper"], 1, "paper")
    assert load_network(emit(size, name, tmp_path)) == size.architecture


def test_a_users_odd_network_is_refused_with_a_reason() -> None:
    """And never approximated."""
    odd = replace(B0, head="pooled_conv", stem="conv7x7_pool")
    reasons = {name: make_export(name).find_obstacle(odd) for name in EXPORTS}
    assert [name for name, reason in reasons.items() if not reason] == [
        "keras",
        "onnx",
        "torch",
        "json",
        "toml",
    ]


def test_what_cannot_be_verified_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "find_spec", lambda _name: None)
    arguments = ["scale", "--official", "b0", "--to", "keras", "--to", "json", "-o", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "keras is not installed: --to keras is written, but not verified." in result.stderr
    assert "--to json is" not in result.stderr


def test_what_a_library_raises_over_a_fresh_file_is_a_failed_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KeyError too, which in a file from elsewhere says that it is none of ours."""

    def look_up_in_vain(_path: Path) -> Verification:
        raise KeyError("act_layer")

    monkeypatch.setattr(type(make_export("json")), "verify", staticmethod(look_up_in_vain))
    written = write(SIZES[0], "json", tmp_path, verify=True)
    assert written.verified is False
    assert written.path
    assert written.note == "could not be built: KeyError: 'act_layer'"
    with pytest.raises(ScalectlError, match="no file that scalectl emitted"):
        verify(Path(written.path))


def test_an_unusable_name_is_refused() -> None:
    """Names become Python; nothing else may."""
    architecture = replace(B0, name="x(); import os")
    size = replace(SIZES[0], architecture=architecture)
    with pytest.raises(ScalectlError, match="cannot be the name"):
        make_export("timm").emit(size)
