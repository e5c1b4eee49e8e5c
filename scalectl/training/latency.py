"""Measure how long a forward pass takes on this machine, and how much memory."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

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
    place = choose_device(device)
    module = build(network).eval().to(place)
    shape = (1, count_channels(network), network.resolution, network.resolution)
    images = torch.zeros(shape, device=place)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    times: list[float] = []
    started = time.perf_counter()
    with torch.inference_mode(), _all_threads():
        for number in range(warm_up + runs):
            before = time.perf_counter()
            module(images)
            if place.type == "cuda":
                torch.cuda.synchronize(place)
            times.append(time.perf_counter() - before)
            if time.perf_counter() - started > _PATIENCE and number >= _LEAST:
                break
    kept = times[min(warm_up, len(times) // 2) :]
    return Latency(
        seconds=statistics.median(kept),
        fastest=min(kept),
        slowest=max(kept),
        runs=len(kept),
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
"""Seconds after which no further run begins."""
_LEAST = 2
"""Fewest runs after the first, however slow."""
