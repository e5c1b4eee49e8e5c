"""Latency is measured with all threads, wherever trainings took one."""

from dataclasses import replace

import pytest
import torch

from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.baselines.mobilenet import V2
from scalectl.training import devices
from scalectl.training.latency import measure_in_turn, measure_latency


def test_trainings_do_not_slow_down_what_is_measured_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They compute on one thread, and do so again afterwards."""
    monkeypatch.setattr(devices, "THREADS", 2)
    devices.repeat_bits(torch.device("cpu"))
    seen: list[int] = []
    original = torch.nn.Conv2d.forward

    def forward(self: torch.nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return original(self, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    assert measure_latency(V2, "cpu", runs=2, warm_up=1).threads == 2
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1


def test_networks_are_measured_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of each, and again: what slows the machine down for a while slows down all of them."""
    widths: list[int] = []
    original = torch.nn.Linear.forward

    def forward(self: torch.nn.Linear, features: torch.Tensor) -> torch.Tensor:
        widths.append(self.out_features)
        return original(self, features)

    monkeypatch.setattr(torch.nn.Linear, "forward", forward)
    networks = [replace(B0, resolution=32, classes=classes) for classes in (3, 5)]
    latencies = measure_in_turn(networks, "cpu", runs=3, warm_up=1)
    assert widths == [3, 5] * 4
    assert [latency.runs for latency in latencies] == [3, 3]
