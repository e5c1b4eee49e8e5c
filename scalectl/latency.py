"""How long a forward pass takes, and how much memory: measured, on this machine."""

import statistics
import time
from dataclasses import dataclass

import torch

from scalectl.devices import choose_device, peak_memory
from scalectl.factory import Baseline
from scalectl.network import build


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of one image at a time, in evaluation mode."""

    seconds: float
    """Median of the runs."""
    fastest: float
    slowest: float
    runs: int
    device: str
    threads: int
    peak_memory: int
    """Bytes: of the whole process on a CPU, torch included; of the allocator on a GPU."""


def measure_latency(network: Baseline, device: str, runs: int = 30, warm_up: int = 5) -> Latency:
    """Build it with fresh weights, warm up, and time single images. Slow networks are run less."""
    place = choose_device(device)
    module = build(network).eval().to(place)
    images = torch.zeros(1, 3, network.resolution, network.resolution, device=place)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    times: list[float] = []
    started = time.perf_counter()
    with torch.inference_mode():
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
        threads=torch.get_num_threads(),
        peak_memory=peak_memory(place),
    )


_PATIENCE = 60.0
_LEAST = 2
