"""Measure how long a forward pass takes on this machine, and how much memory."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from scalectl.arch.factory import Baseline, count_channels
from scalectl.nn.build import build
from scalectl.training import devices
from scalectl.training.devices import choose_device, peak_memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Forward passes of one image at a time, in evaluation mode, timed."""

    seconds: float
    """Median of the runs."""
    fastest: float
    slowest: float
    runs: int
    device: str
    threads: int
    peak_memory: int
    """Bytes of the whole process on a CPU, torch included; of the allocator on a GPU."""


def measure_latency(network: Baseline, device: str, runs: int = 30, warm_up: int = 5) -> Latency:
    """Build a network with fresh weights, and time it on single images; slow ones are run less."""
    (latency,) = measure_in_turn([network], device, runs, warm_up)
    return latency


def measure_in_turn(
    networks: Sequence[Baseline], device: str, runs: int = 30, warm_up: int = 5
) -> tuple[Latency, ...]:
    """Time several networks, an image of each in turn: what else the machine does meets all alike.

    The peak memory is that of all together.
    """
    place = choose_device(device)
    modules = [build(network).eval().to(place) for network in networks]
    images = [
        torch.zeros((1, count_channels(net), net.resolution, net.resolution), device=place)
        for net in networks
    ]
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    times: list[list[float]] = [[] for _ in networks]
    started = time.perf_counter()
    with torch.inference_mode(), _all_threads():
        for number in range(warm_up + runs):
            for module, image, spent in zip(modules, images, times, strict=True):
                spent.append(_time(module, image))
            waited = time.perf_counter() - started
            if waited > _PATIENCE * len(networks) and number >= _LEAST:
                break
    return tuple(_sum_up(spent[min(warm_up, len(spent) // 2) :], place) for spent in times)


def _time(module: nn.Module, image: torch.Tensor) -> float:
    before = time.perf_counter()
    module(image)
    if image.device.type == "cuda":
        torch.cuda.synchronize(image.device)
    return time.perf_counter() - before


def _sum_up(times: Sequence[float], place: torch.device) -> Latency:
    return Latency(
        seconds=statistics.median(times),
        fastest=min(times),
        slowest=max(times),
        runs=len(times),
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else str(place),
        threads=devices.THREADS,
        peak_memory=peak_memory(place),
    )


@contextmanager
def _all_threads() -> Iterator[None]:
    """Compute with as many threads as torch takes by itself, also where trainings took fewer before."""
    before = torch.get_num_threads()
    torch.set_num_threads(devices.THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_PATIENCE = 60.0
"""Seconds for each network after which no further run begins."""
_LEAST = 2
"""Fewest runs after the first, however slow."""
