"""Training on a GPU, beside a loop as timm's users write it, on the same machine in the same run.

python benchmarks/gpu.py [SECTION ...] prints a row for each figure as it comes: "small", many trainings
of a small network side by side, and plain loops on that network; "large", EfficientNet-B0 at 224 pixels
alone; "search", whole searches by the command, and how busy they keep the GPU. Each is made to take
less than ten minutes.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines.efficientnet import B0
from scalectl.exports.builders.with_timm import build_network
from scalectl.nn.build import build
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import Design, Proxy
from scalectl.training.compilation import can_compile
from scalectl.training.devices import repeat_bits
from scalectl.training.graph_learner import GraphLearner
from scalectl.training.learner import Images, start_as_identity
from scalectl.trial import Recipe

DEVICE = torch.device("cuda")
RECIPE = replace(Proxy().recipe, epochs=4, batch_size=64)
SEARCH = (
    "design.degree=3",
    "strategy.kind=all",
    "proxy.train_images=2000",
    "proxy.epochs=7",
    "proxy.batch_size=64",
)
"""Thirteen networks, each with every seed, in longer trainings than the default's."""


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION")
    options = parser.parse_args()
    print(torch.__version__, torch.cuda.get_device_name(0), flush=True)
    for name, figure in measure(options.sections or [*SECTIONS]):
        print(f"{name:<64}{figure}", flush=True)


def measure(sections: Sequence[str] = ("small", "large", "search")) -> Iterator[tuple[str, str]]:
    """Images per second of trainings side by side and of one alone, and whole searches.

    Beside them a loop as timm's users write it: timm's model, AMP, channels_last and fused AdamW, with
    all images on the GPU. A search is timed from the command to the verdict; how busy it keeps the GPU is
    nvidia-smi's share of time with a kernel at work, between the first and the last of them.
    """
    for section in sections:
        yield from SECTIONS[section]()


def measure_small() -> Iterator[tuple[str, str]]:
    """Trainings of the default search's balanced candidate, batch 64."""
    candidates = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 72).candidates
    small = next(candidate.architecture for candidate in candidates if candidate.control == "dwr")
    assert isinstance(small, Architecture)
    plain = time_plainly(small, RECIPE, make_images(2000, small, 1), compiles=False)
    yield "dwr, one plain loop: timm, AMP, channels_last", show(plain)
    repeat_bits(DEVICE)
    for count in (1, 4, 8, 16, 32):
        speed = time_side_by_side(small, RECIPE, count)
        yield f"dwr, {count} trainings side by side", f"{show(speed)}, {speed / plain:.1f} x plain"
    torch.use_deterministic_algorithms(False)


def measure_large() -> Iterator[tuple[str, str]]:
    """One training of EfficientNet-B0 at 224 pixels, batch 128."""
    recipe, images = replace(RECIPE, batch_size=128), make_images(1024, B0, 3)
    name = "B0 at 224 px, batch 128"
    for compiles in (False, True):
        speed = time_plainly(B0, recipe, images, compiles=compiles)
        yield f"{name}, timm, AMP, channels_last{', compiled' * compiles}", show(speed)
    repeat_bits(DEVICE)
    yield f"{name}, ours alone", show(time_alone(recipe, images))
    mapped = replace(images, pixels=images.pixels.cpu(), streamed=True)
    yield f"{name}, ours alone, images streamed", show(time_alone(recipe, mapped))
    if can_compile():
        speed = time_alone(recipe, images, compiles=True)
        yield f"{name}, ours alone, compiled", show(speed)
    torch.use_deterministic_algorithms(False)


def measure_search() -> Iterator[tuple[str, str]]:
    """Whole searches by the command that a user has."""
    for name, settings in (
        ("the default search", ()),
        ("26 trials: 13 networks, 2 seeds", (*SEARCH, "seeds=2")),
        ("104 trials: 13 networks, 8 seeds", (*SEARCH, "seeds=8")),
    ):
        seconds, busy = time_search(settings)
        yield name, f"{seconds:.0f} s, GPU busy {busy:.0%}"


SECTIONS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "small": measure_small,
    "large": measure_large,
    "search": measure_search,
}


def time_search(settings: Sequence[str]) -> tuple[float, float]:
    """Seconds of a search by its command, and the part of them that the first GPU was busy."""
    query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu"]
    watch = [*query, "--format=csv,noheader,nounits", "--loop-ms=200"]
    command = [sys.executable, "-m", "scalectl", "grid", "-q", "--device", "cuda"]
    command += [part for setting in settings for part in ("--set", setting)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as watching,
    ):
        began = time.perf_counter()
        subprocess.run([*command, "-o", folder], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        watching.terminate()
        assert watching.stdout
        shares = [int(line) for line in watching.stdout.read().split()]
    at_work = [number for number, share in enumerate(shares) if share]
    return seconds, statistics.mean(shares[at_work[0] : at_work[-1] + 1]) / 100


def show(speed: float) -> str:
    """Images per second, as text."""
    return f"{speed:,.0f} images/s"


def make_images(count: int, network: Architecture, channels: int) -> Images:
    """Noise in the network's resolution."""
    shape = (count, channels, network.resolution, network.resolution)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE)
    return Images(pixels, torch.randint(0, network.classes, (count,), device=DEVICE))


def time_side_by_side(network: Architecture, recipe: Recipe, count: int) -> float:
    """Images per second of so many trainings at once, without evaluation."""
    images = make_images(2000, network, 1)
    held_out = Images(images.pixels[:256], images.labels[:256])
    learners = [
        GraphLearner(start_as_identity(build(network)), recipe, images, held_out, flip=False)
        for _ in range(count)
    ]
    return time_learners(learners, len(images))


def time_alone(recipe: Recipe, images: Images, *, compiles: bool = False) -> float:
    """Images per second of one training of B0, without evaluation."""
    held_out = replace(images, pixels=images.pixels[:128], labels=images.labels[:128])
    learner = GraphLearner(
        start_as_identity(build(B0)),
        recipe,
        images,
        held_out,
        flip=True,
        memory_format=torch.channels_last,
        compiles=compiles,
    )
    return time_learners([learner], len(images))


def time_learners(learners: Sequence[GraphLearner], images: int) -> float:
    """Images per second of an epoch of each, after one that warms up."""

    def run_epoch() -> None:
        order, draws = torch.randperm(images), torch.rand(images, 3)
        works = [learner.learn(order, draws) for learner in learners]
        while works:
            works = [work for work in works if next(work, 0.0) is None]

    return count_per_second(run_epoch, len(learners) * images)


def time_plainly(network: Architecture, recipe: Recipe, images: Images, *, compiles: bool) -> float:
    """Images per second of a plain loop over images on the device: AMP, channels_last, AdamW."""
    model: nn.Module = build_network(network.unroll(), "plain").to(DEVICE)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, fused=True)
    forward: Callable[[Tensor], Tensor] = torch.compile(model) if compiles else model

    def run_epoch() -> None:
        for chosen in torch.randperm(len(images), device=DEVICE).split(recipe.batch_size):
            if len(chosen) < recipe.batch_size:
                continue
            batch = images.pixels[chosen].float().sub_(128).div_(64).expand(-1, 3, -1, -1)
            with torch.autocast("cuda", torch.bfloat16):
                logits = forward(batch.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits.float(), images.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimizer.step()

    steps = math.floor(len(images) / recipe.batch_size)
    return count_per_second(run_epoch, steps * recipe.batch_size)


def count_per_second(work: Callable[[], None], images: int) -> float:
    """Images per second of the faster of two runs, after one that warms up."""
    seconds = []
    for _ in range(3):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return images / min(seconds[1:])


if __name__ == "__main__":
    main()
