"""The largest size within what is measured, where the measure is known; and once for real."""

import json

import pytest
from click.testing import CliRunner

from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.factory import Baseline, cost_of
from scalectl.arch.scaling import NAMED
from scalectl.arch.sizes import Size, size_at
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.training import fitting
from scalectl.training.fitting import find_largest, make_measure
from scalectl.training.latency import Latency


def at(phi: float) -> Size:
    return size_at(B0, NAMED["paper"], phi, "paper")


class Clock:
    """A device that takes a second for 1e9 multiply-adds, and 0.1 seconds for each image."""

    def __init__(self) -> None:
        self.measured = list[str]()

    def __call__(self, network: Baseline) -> Latency:
        self.measured.append(network.fingerprint)
        seconds = 0.1 + cost_of(network).macs / 1e9
        return Latency(
            seconds=seconds,
            fastest=seconds,
            slowest=seconds,
            runs=1,
            device="cpu",
            threads=1,
            peak_memory=int(1e9 * seconds),
        )


@pytest.mark.parametrize("target", [0.11, 0.2, 0.48, 0.5, 0.6, 1.0, 3.0, 40.0])
@pytest.mark.parametrize("quantity", ["seconds", "peak_memory"])
def test_the_largest_size_within_a_target_is_found(quantity: str, target: float) -> None:
    """With the next larger one beyond it; no network is measured twice, none takes far too long."""
    clock = Clock()
    scaled = target * (1e9 if quantity == "peak_memory" else 1)
    around = find_largest(at, clock, quantity, scaled)
    assert around.larger is not None
    assert around.smaller is not None
    low, high = (getattr(each.latency, quantity) for each in (around.chosen, around.larger))
    assert low <= scaled < high
    assert around.chosen.size.phi is not None
    beyond = at(around.chosen.size.phi + 0.1).architecture
    assert clock(beyond).seconds > target or beyond == around.chosen.size.architecture
    assert len(set(clock.measured[:-1])) == len(clock.measured) - 1
    assert max(0.1 + at(phi).cost.macs / 1e9 for phi in (around.larger.size.phi or 0,)) < 4 * target
    assert around.sizes == sorted(around.sizes, key=lambda each: each.size.cost.macs)


def test_a_target_that_no_size_reaches_is_refused() -> None:
    with pytest.raises(ScalectlError, match=r"No size takes 50 ms or less: .*minus12 takes 10"):
        find_largest(at, Clock(), "seconds", 0.05)
    with pytest.raises(ScalectlError, match=r"No size takes 50\.0 MB or less: "):
        find_largest(at, Clock(), "peak_memory", 5e7)


def test_a_target_beyond_all_sizes_gives_the_largest() -> None:
    around = find_largest(at, Clock(), "seconds", 1e9)
    assert around.chosen.size.phi == 12
    assert around.larger is None


def test_what_cannot_be_run_is_said() -> None:
    def fail(_network: Baseline) -> Latency:
        raise RuntimeError("not enough memory: you tried to allocate 9 bytes")

    with pytest.raises(ScalectlError, match="efficientnet_b0_phi0 cannot be measured here: not"):
        find_largest(at, fail, "seconds", 1.0)


def test_what_is_measured_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size within the target with those on both sides of it, for people and for programs."""
    clock = Clock()
    monkeypatch.setattr(fitting, "measure_latency", lambda network, **_: clock(network))
    line = "scale --coefficients paper --latency 600ms --device cpu"
    result = CliRunner().invoke(main, [*line.split(), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    budget, (size,) = document["budget"], document["sizes"]
    assert (budget["quantity"], budget["target"], budget["at_most"]) == ("latency", 0.6, True)
    smaller, chosen, larger = budget["measured"]
    assert smaller["seconds"] < chosen["seconds"] <= 0.6 < larger["seconds"]
    assert (chosen["name"], chosen["phi"]) == (size["name"], size["phi"])
    assert chosen["seconds"] == 0.1 + size["macs"] / 1e9
    assert (larger["phi"], larger["seconds"]) == (
        budget["next"]["phi"],
        0.1 + budget["next"]["macs"] / 1e9,
    )
    shown = CliRunner().invoke(main, line.split())
    assert (
        f"phi = {size['phi']:g} takes {1000 * chosen['seconds']:.4g} ms of the 600 ms"
        in shown.stderr
    )
    assert "One image at a time on cpu with 1 thread" in shown.stdout
    for each in (smaller, chosen, larger):
        assert f"{1000 * each['seconds']:.2f}" in shown.stdout


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    """Whatever this one holds; and without torch, which takes hundreds of megabytes by itself."""
    taken = make_measure("peak_memory", "cpu")(at(-12).architecture).peak_memory
    assert 0 < taken < 200e6


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--latency 12", "'12' is not a time above 0, such as 12ms, 800us or 0.5s."),
        ("--latency 0ms", "not a time above 0"),
        ("--memory 500MB", "not a number above 0"),
        ("--phi 1 --device cpu", "--device goes with --latency and --memory"),
        ("--latency 1ms --device tpu", "'tpu' is not auto, cpu, mps, cuda or cuda:NUMBER."),
        ("--latency 1ms --memory 1G", "Say how large, by one of"),
        ("--latency 1ms --nearest", "--nearest goes with --macs"),
    ],
)
def test_bad_targets_are_refused(line: str, said: str) -> None:
    result = CliRunner().invoke(main, ["scale", *line.split()])
    assert result.exit_code == 2
    assert said in result.stderr
