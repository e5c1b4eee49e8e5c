"""Latency is measured with all threads, wherever trainings took one."""

import pytest
import torch

from scalectl.arch.baselines.mobilenet import V2
from scalectl.training import devices
from scalectl.training.latency import measure_latency


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
