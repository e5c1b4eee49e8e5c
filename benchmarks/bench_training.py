"""How fast trials train: against a plain timm loop, and against the machine (`benchmarks/bench.py`).

Ratios alone count: whatever is compared runs in turn, several times, in one process after another.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from factories import gather
from PIL import Image
from torch.nn import functional
from torch.utils.data import Dataset as TorchDataset

from scalectl.arch import loading
from scalectl.arch.architecture import Architecture
from scalectl.data import Split, open_dataset
from scalectl.executors import choose_executor, make_executor
from scalectl.executors.hardware import count_cores
from scalectl.search import config, engine
from scalectl.search.plan import Plan, limits, make_plan
from scalectl.store.writer import Store
from scalectl.training.devices import choose_device
from scalectl.trial import Candidate, Record

_ROUNDS = 3


def measure() -> Iterator[tuple[str, str]]:
    """Images per second of the balanced candidate of README's search, evaluations included.

    Beside it a loop as timm's users write it, on the same network, images and machine: timm's model and
    loader with two workers, SGD, one process with all cores, and the GPU where there is one.
    """
    plan = _plan()
    device = choose_device("auto")
    name = choose_executor(str(device))
    jobs = 16 if name == "gpu" else count_cores()
    candidate = next(
        candidate for candidate in plan.enumeration.candidates if candidate.control == "dwr"
    )
    ours, plain = [], []
    for _ in range(_ROUNDS):
        ours.append(train_trials(plan, candidate, name, jobs, device))
        plain.append(train_plainly(plan, candidate, device))
    speed = statistics.median(ours)
    yield f"{jobs} trials at once", f"{speed:.0f} images/s"
    yield "timm, create_loader, SGD", f"{statistics.median(plain):.0f} images/s"
    yield "trials over timm", f"{_compare(ours, plain):.2f}"
    if device.type == "cpu":
        peak = measure_peak()
        flops = 6 * candidate.cost.macs * speed
        yield "dense 3 x 3 convolution, one core", f"{peak / 1e9:.1f} GFLOP/s"
        yield "trials, of the machine's peak", f"{flops / (jobs * peak):.1%}"


def _compare(ours: Sequence[float], others: Sequence[float]) -> float:
    """Median of the ratios, round by round."""
    return statistics.median(first / second for first, second in zip(ours, others, strict=True))


def measure_peak() -> float:
    """FLOP/s of one core in a convolution that suits it: what no training exceeds."""
    torch.set_num_threads(1)
    images = torch.randn(32, 128, 16, 16).to(memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        functional.conv2d(images, weight, padding=1)
        seconds.append(time.perf_counter() - start)
    return 2 * 32 * 16 * 16 * 128 * 128 * 9 / min(seconds)


def train_trials(
    plan: Plan, candidate: Candidate, name: str, jobs: int, device: torch.device
) -> float:
    """Training images per second of so many trials at once, evaluation included."""
    first = plan.trials[0]
    trials = [replace(first, candidate=candidate, seed=seed) for seed in range(jobs)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        workspace = engine.make_workspace(plan, store, str(device))
        news = list(make_executor(name, jobs).run(trials, workspace))
    seconds = [event.seconds for event in news if isinstance(event, Record)]
    return len(seconds) * first.data.sizes["train"] * first.recipe.epochs / max(seconds)


def train_plainly(plan: Plan, candidate: Candidate, device: torch.device) -> float:
    """The same of a loop as timm's users write it: one process, all cores, two for the images."""
    import timm.data

    from scalectl.exports.builders.with_timm import build_network

    torch.set_num_threads(count_cores())
    trial, side = plan.trials[0], candidate.architecture.resolution
    assert isinstance(candidate.architecture, Architecture)
    network = build_network(candidate.architecture.unroll(), "plain").to(device)
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True)
    loaders = {
        split: timm.data.create_loader(
            _Pictures(plan, split),
            (3, side, side),
            trial.recipe.batch_size,
            is_training=split == "train",
            use_prefetcher=False,
            num_workers=2,
            persistent_workers=True,
        )
        for split in ("train", "select")
    }
    start = time.perf_counter()
    for _ in range(trial.recipe.epochs):
        network.train()
        for images, labels in loaders["train"]:
            optimizer.zero_grad()
            logits = network(images.to(device))
            functional.cross_entropy(logits, labels.to(device)).backward()
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            for images, _labels in loaders["select"]:
                network(images.to(device)).cpu()
    seconds = time.perf_counter() - start
    return trial.data.sizes["train"] * trial.recipe.epochs / seconds


class _Pictures(TorchDataset[tuple[torch.Tensor, int]]):
    """A split as most data sets for torch offer it, decoded already."""

    transform: Callable[[Image.Image], torch.Tensor]  # timm's loader sets it

    def __init__(self, plan: Plan, split: Split) -> None:
        dataset = open_dataset(plan.config.proxy.data, limits(plan.config.proxy))
        images, labels = gather(dataset.render(split, dataset.card.native))
        self._pictures = [
            Image.fromarray(np.repeat(image, 3 // image.shape[-1], -1)) for image in images
        ]
        self._labels = labels.tolist()

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self._pictures[index]), self._labels[index]


def _plan() -> Plan:
    settings = config.load_config(None)
    return make_plan(settings, loading.find_baseline(settings.baseline))
