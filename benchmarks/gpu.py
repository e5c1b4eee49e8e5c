"""Training on a GPU, beside a loop as timm's users write it, on the same machine in the same run.

python benchmarks/gpu.py prints a row for each measurement as it comes: images per second of many
trainings of a small network side by side, of plain loops on that network, and of EfficientNet-B0 at
224 pixels alone.
"""

import argparse
import math
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
from scalectl.training.devices import repeat_bits
from scalectl.training.graph_learner import GraphLearner
from scalectl.training.learner import Images, start_as_identity
from scalectl.trial import Recipe

DEVICE = torch.device("cuda")


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    options = parser.parse_args()
    print(torch.__version__, torch.cuda.get_device_name(0), flush=True)
    for name, figure in measure(compiles=not options.no_compile):
        print(f"{name:<64}{figure}", flush=True)


def measure(*, compiles: bool) -> Iterator[tuple[str, str]]:
    """Names of measurements, and their figures."""
    candidates = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 72).candidates
    small = next(one.architecture for one in candidates if one.control == "dwr")
    assert isinstance(small, Architecture)
    recipe = replace(Proxy().recipe, epochs=4)
    plain = time_plainly(small, recipe, make_images(2000, small, 1), compiles=False)
    yield "dwr, one plain loop: timm, AMP, channels_last", show(plain)
    repeat_bits(DEVICE)
    for count in (1, 4, 8, 16, 32):
        speed = time_side_by_side(small, recipe, count)
        yield f"dwr, {count} trainings side by side", f"{show(speed)}, {speed / plain:.1f} x plain"
    large, batch = replace(recipe, batch_size=128), make_images(1024, B0, 3)
    held_out = Images(batch.pixels[:128], batch.labels[:128])
    learner = GraphLearner(
        build(B0), large, batch, held_out, flip=True, memory_format=torch.channels_last
    )
    yield "B0 at 224 px, batch 128, ours alone", show(time_learners([learner], len(batch)))
    del learner
    torch.use_deterministic_algorithms(False)
    yield (
        "B0 at 224 px, batch 128, timm, AMP, channels_last",
        show(time_plainly(B0, large, batch, compiles=False)),
    )
    if compiles:
        speed = time_plainly(B0, large, batch, compiles=True)
        yield "B0 at 224 px, batch 128, timm, AMP, channels_last, compiled", show(speed)


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
