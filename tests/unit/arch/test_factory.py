import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from factories import TINY

from scalectl.arch.counter import count_params
from scalectl.arch.factory import _count, make_factory, parse_baseline
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.nn.build import build

CODE = """
import pathlib
from torch import nn

pathlib.Path("ran").touch()


def build(depth, width, resolution, num_classes):
    wide = max(4, round(16 * width))
    layers = [nn.Conv2d(3, wide, 3, stride=2, padding=1), nn.ReLU()]
    for _ in range(max(1, round(3 * depth))):
        layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, num_classes)
    )


def flat(depth, width, resolution, num_classes):
    return nn.Conv2d(3, num_classes, 1)


def broken(depth, width, resolution, num_classes):
    return 1 / 0


class Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


def mute(depth, width, resolution, num_classes):
    raise Mute


def rude(depth, width, resolution, num_classes):
    raise ValueError("\\ud800 \\x1b[31m red" + "d" * 10**6)


class Bare(BaseException):
    pass


def bare(depth, width, resolution, num_classes):
    raise Bare("no Exception")


def leave(depth, width, resolution, num_classes):
    raise SystemExit(0)


def chatty(depth, width, resolution, num_classes):
    import os

    print("to stdout")
    os.system("echo from a child")
    return build(depth, width, resolution, num_classes)


def number(depth, width, resolution, num_classes):
    return 3
"""
TARGET = "factory_nets:build"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands, with a module of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "factory_nets", raising=False)
    _count.cache_clear()
    (tmp_path / "factory_nets.py").write_text(CODE)
    return tmp_path


def invoke(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def test_it_is_counted_on_what_it_builds() -> None:
    """Exactly: 16 channels, three blocks, at half of 64 px."""
    factory = make_factory(TARGET, 64, 10)
    assert factory.cost.macs == 32 * 32 * (3 * 16 * 9 + 3 * 16 * 16 * 9) + 16 * 10
    assert factory.cost.activations == 32 * 32 * 16 * 4
    assert count_params(build(factory)) == factory.cost.params
    larger = factory.rebuild(resolution=128)
    assert larger.cost.macs > 3 * factory.cost.macs


def test_sizes_that_round_to_one_network_are_one() -> None:
    """Told by what was built, not by the numbers it was asked with."""
    network = make_factory(TARGET, 64, 10)
    same, other = (network.rebuild(depth=depth) for depth in (1.1, 1.4))
    assert network.fingerprint == same.fingerprint != other.fingerprint
    assert parse_baseline(json.loads(json.dumps(network.to_dict()))) == network


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flat", "instead of"),
        ("broken", "raised ZeroDivisionError"),
        ("number", "gives a int"),
        ("bare", "raised Bare: no Exception"),
        ("leave", "raised SystemExit: 0"),
        ("mute", "raised Mute: Mute"),
        ("rude", r"\\ud800 \\x1b\[31m redd"),
        ("absent", "has no function"),
    ],
)
def test_what_it_cannot_be_is_said(name: str, message: str) -> None:
    with pytest.raises(ScalectlError, match=message):
        make_factory(f"factory_nets:{name}", 32, 10)


def test_a_factory_is_searched_scaled_and_reported(folder: Path) -> None:
    """Trained, stored and read back; its code runs only where the user names it."""
    settings = " ".join(f"--set {override}" for override in TINY if "proxy.width" not in override)
    searched = invoke(f"grid --baseline {TARGET}@32 -o runs/mine --executor inline {settings}")
    assert searched.exit_code == 0, searched.stderr
    (folder / "factory_nets.py").rename(folder / "gone.py")
    (folder / "ran").unlink()
    report = json.loads(invoke("report runs/mine --json").stdout)
    assert {record["state"] for record in report["records"]} == {"done"}
    assert "a report does not" in invoke("report runs/mine --table family").stdout
    unasked = invoke("scale --phi 1")
    assert unasked.exit_code == 2
    assert f"Add --baseline {TARGET}" in unasked.stderr
    assert not (folder / "ran").exists()


def test_its_export_is_the_call_with_its_numbers(folder: Path) -> None:
    line = f"scale --baseline {TARGET} --coefficients dwr --phi 1 --to torch --to json --json"
    (size,) = json.loads(invoke(line).stdout)["sizes"]
    assert [export["verified"] for export in size["exports"]] == [True, None]
    assert (
        "from factory_nets import build as factory" in (folder / "build_phi1_torch.py").read_text()
    )
    assert size["resolution"] == 252
    again = invoke("scale --baseline build_phi1.json --coefficients dwr --phi 1")
    assert again.exit_code == 2
    assert "a file's code is not run" in again.stderr


def test_what_a_factory_prints_is_in_no_document(folder: Path) -> None:
    """Its own prints and those of processes that it starts go to stderr."""
    command = [sys.executable, "-m", "scalectl", "profile", "factory_nets:chatty@64", "--json"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["resolution"] == 64
    assert "to stdout" in result.stderr
    assert "from a child" in result.stderr


def test_a_factory_is_profiled_but_not_in_parts() -> None:
    document = json.loads(invoke(f"profile {TARGET}@64 --json").stdout)
    assert document["resolution"] == 64
    assert document["stages"] == []
    refused = invoke(f"scale --baseline {TARGET} --coefficients dwr --phi 1 --to timm")
    assert refused.exit_code == 2
    assert "--to torch writes the call" in refused.stderr
