"""The brief training of one trial: one loop, on a CPU or a GPU."""

import math
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from scalectl.blocks import Residual
from scalectl.datasets import Split, open_dataset
from scalectl.datasets.cache import rendered
from scalectl.devices import choose_device, peak_memory
from scalectl.executors import Workspace
from scalectl.network import build
from scalectl.trial import Progress, Recipe, Record, State, Trial

_EVALUATION_BATCH = 256
_SHORTEST_CYCLE = 5
"""In steps; below, torch divides by the zero steps of its warm-up."""


def run(trial: Trial, workspace: Workspace) -> Iterator[Progress | Record]:
    """Train a trial; yield each epoch, then the record. What goes wrong becomes a record too."""
    try:
        yield from _train(trial, workspace)
    except Exception as problem:
        where = traceback.extract_tb(problem.__traceback__)[-1]
        reason = f"{type(problem).__name__}: {problem} ({where.name}, line {where.lineno})"
        yield Record(trial=trial, state=State.ERROR, error=reason)


def _train(trial: Trial, workspace: Workspace) -> Iterator[Progress | Record]:
    recipe, architecture = trial.recipe, trial.candidate.architecture
    device = choose_device(workspace.device)
    torch.set_num_threads(workspace.threads)
    images, labels = _load(trial, workspace, "train", device)
    select_images, select_labels = _load(trial, workspace, "select", device)
    mean, spread = _statistics(images)

    torch.manual_seed(trial.seed)
    network = _start_as_identity(build(architecture))
    network = network.to(device).to(memory_format=torch.channels_last)
    steps = math.ceil(len(images) / recipe.batch_size)
    optimizer, schedule = _prepare(network, recipe, steps * recipe.epochs)
    precision = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()

    def logits(batch: Tensor) -> Tensor:
        scaled = ((batch.float() - mean) / spread).expand(-1, 3, -1, -1)
        with precision:
            output: Tensor = network(scaled.contiguous(memory_format=torch.channels_last))
        return output.float()

    def evaluate(images: Tensor, labels: Tensor) -> tuple[float, float]:
        """Mean log-loss and top-1."""
        network.eval()
        with torch.inference_mode():
            output = torch.cat([logits(batch) for batch in images.split(_EVALUATION_BATCH)])
            loss = functional.cross_entropy(output, labels).item()
            return loss, (output.argmax(1) == labels).float().mean().item()

    started = time.monotonic()
    curve: list[float] = []
    loss = top1 = train_loss = math.nan
    for epoch in range(1, recipe.epochs + 1):
        # Seeded by trial-independent numbers: every candidate sees the same images in the same order.
        random = torch.Generator().manual_seed(trial.seed * 1_000_003 + epoch)
        order = torch.randperm(len(images), generator=random).to(device)
        network.train()
        total = torch.zeros((), device=device)
        for chosen in order.split(recipe.batch_size):
            if len(chosen) == 1:
                continue  # batch norm has no variance of one image on a 1 x 1 map
            batch = _augment(images[chosen], recipe.shift, recipe.flip and trial.data.flip, random)
            batch_loss = functional.cross_entropy(
                logits(batch), labels[chosen], label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            batch_loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
            optimizer.step()
            schedule.step()
            total += batch_loss.detach() * len(chosen)
        train_loss = (total / len(images)).item()
        loss, top1 = evaluate(select_images, select_labels)
        curve.append(loss)
        yield Progress(trial=trial, epoch=epoch, train_loss=train_loss, loss=loss, top1=top1)
        if not (math.isfinite(loss) and math.isfinite(train_loss)):
            break

    finite = math.isfinite(loss) and math.isfinite(train_loss)
    probed = min(len(images), len(select_images))
    final_loss, final_top1 = evaluate(images[:probed], labels[:probed]) if finite else (None, None)
    forward = 3 * len(images) * len(curve) + len(select_images) * len(curve) + probed
    yield Record(
        trial=trial,
        state=State.DONE if finite else State.DIVERGED,
        top1=top1 if finite else None,
        loss=loss if finite else None,
        train_top1=final_top1,
        train_loss=final_loss,
        curve=tuple(value for value in curve if math.isfinite(value)),
        seconds=time.monotonic() - started,
        macs_spent=forward * trial.candidate.cost.macs,
        peak_memory=peak_memory(device),
        error="" if finite else f"the loss was not finite after epoch {len(curve)}",
        environment=_environment(device),
    )


def _start_as_identity(network: nn.Module) -> nn.Module:
    """Residual branches begin at zero (Goyal et al. 2017, section 5.1).

    Without it deep networks hardly learn in a few hundred steps, and depth would lose for that.
    """
    for block in network.modules():
        if isinstance(block, Residual) and block.shortcut is not None:
            norms = [part for part in block.body.modules() if isinstance(part, nn.BatchNorm2d)]
            for last in norms[-1:]:  # none in ConvNeXt, whose layer scale starts small
                nn.init.zeros_(last.weight)
    return network


def _prepare(network: nn.Module, recipe: Recipe, steps: int) -> tuple[Optimizer, OneCycleLR]:
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = max(_SHORTEST_CYCLE, steps)
    return optimizer, OneCycleLR(optimizer, recipe.learning_rate, steps, pct_start=0.25)


def _load(
    trial: Trial, workspace: Workspace, split: Split, device: torch.device
) -> tuple[Tensor, Tensor]:
    """All images of a split as uint8 (N, C, H, W), and their labels (N,)."""
    images, labels = rendered(
        trial.data,
        split,
        trial.candidate.architecture.resolution,
        workspace.cache,
        lambda: open_dataset(workspace.data, workspace.limits),
    )
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return torch.from_numpy(channels_first).to(device), torch.from_numpy(labels).to(device)


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (1, C, 1, 1), over a part of the images."""
    part = images[:2000].float()
    axes = (0, 2, 3)
    return part.mean(axes, keepdim=True), part.std(axes, keepdim=True).clamp_min(1)


def _augment(images: Tensor, shift: float, flip: bool, random: torch.Generator) -> Tensor:
    """Each image moved by its own shift, as a fraction of its side, and mirrored or not.

    What is uncovered repeats the border. (N, C, H, W) -> (N, C, H, W).
    """
    count, side = len(images), images.shape[-1]
    reach = shift * side
    move = ((torch.rand(2, count, 1, generator=random) * 2 - 1) * reach).round().long()
    mirror = torch.rand(count, 1, generator=random) < 0.5
    place = torch.arange(side)
    rows = (place + move[0]).clamp(0, side - 1).to(images.device)
    columns = (place + move[1]).clamp(0, side - 1)
    if flip:
        columns = torch.where(mirror, columns.flip(1), columns)
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    return images[
        each, channels, rows[:, None, :, None], columns.to(images.device)[:, None, None, :]
    ]


def _environment(device: torch.device) -> dict[str, str]:
    """What decides the last bits of a result. Never names of hosts or users."""
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "python": platform.python_version(),
        "scalectl": version("scalectl"),
        "torch": torch.__version__,
        "timm": version("timm"),
        "device": device.type,
        "hardware": hardware,
        "threads": str(torch.get_num_threads()),
    }
