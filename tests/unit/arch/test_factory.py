import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from factories import TINY

from scalectl.arch import counting
from scalectl.arch.counter import count_params
from scalectl.arch.factory import make_factory, parse_baseline, rehearse
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.nn.build import build

CODE = """
import os
import pathlib
import threading

import torch
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


def asking(depth, width, resolution, num_classes):
    rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
    return nn.Sequential(nn.Dropout(rates[1]), build(depth, width, resolution, num_classes))


def busy(depth, width, resolution, num_classes):
    threading.Thread(target=threading.Event().wait).start()
    return build(depth, width, resolution, num_classes)


def lazy(depth, width, resolution, num_classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(num_classes))


def frozen(depth, width, resolution, num_classes):
    return build(depth, width, resolution, num_classes).requires_grad_(False)


class Auxiliary(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        logits = self.network(images)
        return (logits, logits) if self.training else logits


def auxiliary(depth, width, resolution, num_classes):
    return Auxiliary(build(depth, width, resolution, num_classes))


def cut(depth, width, resolution, num_classes):
    network = build(depth, width, resolution, num_classes)
    network.register_forward_hook(lambda module, inputs, logits: logits.detach())
    return network


def crash(depth, width, resolution, num_classes):
    os.abort()


def endless(depth, width, resolution, num_classes):
    while True:
        pass
"""
TARGET = "factory_nets:build"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that one process counts."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "factory_nets.py").write_text(CODE)
    return folder


@pytest.fixture(autouse=True)
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands, with a module of their own."""
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.delitem(sys.modules, "factory_nets", raising=False)
    return home


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


def test_numbers_of_tensors_are_asked_for_on_the_cpu() -> None:
    """As rates of drop-path are; the meta device has none."""
    assert make_factory("factory_nets:asking", 32, 10).cost == make_factory(TARGET, 32, 10).cost
    line = "scale --baseline factory_nets:asking@32 --coefficients dwr --phi 1 --to torch"
    assert "as stated" in invoke(line).output


@pytest.mark.parametrize(
    ("name", "message", "cure"),
    [
        ("lazy", "has lazy layers", "Call the network once"),
        ("auxiliary", "gives a tuple in training", "aux_logits=False"),
        ("frozen", "has no weights to train", "requires_grad"),
        ("cut", "fails in a training step: .*grad", "build"),
    ],
)
def test_what_cannot_be_trained_is_said_with_its_cure(name: str, message: str, cure: str) -> None:
    """It can be counted, and so profiled."""
    factory = make_factory(f"factory_nets:{name}", 32, 10)
    with pytest.raises(ScalectlError, match=message) as caught:
        rehearse(factory)
    assert cure in caught.value.hint


def test_a_search_begins_with_one_training_step() -> None:
    settings = " ".join(f"--set {override}" for override in TINY if "proxy.width" not in override)
    refused = invoke(f"grid --baseline factory_nets:auxiliary@32 --dry-run --no-probe {settings}")
    assert refused.exit_code == 2
    assert "aux_logits=False" in refused.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [("crash", "ended the process in which it was counted: SIGABRT"), ("endless", "was stopped")],
)
def test_code_that_crashes_or_never_ends_is_counted_apart(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And another one after it; a thread that goes on delays nothing."""
    make_factory("factory_nets:busy", 32, 10)
    with monkeypatch.context() as patch:
        patch.setattr(counting, "LIMIT", 1.0 if name == "endless" else counting.LIMIT)
        with pytest.raises(ScalectlError, match=message):
            make_factory(f"factory_nets:{name}", 32, 10)


def test_a_factory_is_searched_scaled_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained, stored and read back; its code runs only where the user names it."""
    folder = tmp_path
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    (folder / "factory_nets.py").write_text(CODE)
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


def test_a_factory_has_no_stages_to_fuse() -> None:
    result = invoke(f"profile {TARGET}@64 --measure --fused 1")
    assert result.exit_code == 2
    assert "is a factory, whose stages scalectl does not know" in result.stderr


def test_a_factory_is_profiled_but_not_in_parts() -> None:
    document = json.loads(invoke(f"profile {TARGET}@64 --json").stdout)
    assert document["resolution"] == 64
    assert document["stages"] == []
    refused = invoke(f"scale --baseline {TARGET} --coefficients dwr --phi 1 --to timm")
    assert refused.exit_code == 2
    assert "--to torch writes the call" in refused.stderr
