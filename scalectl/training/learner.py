"""Take training steps: a network with its optimizer, schedule and average, which a checkpoint holds."""

import math
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scalectl.nn.blocks import Residual
from scalectl.nn.depthwise import hasten
from scalectl.nn.growth import silence
from scalectl.training.augmentation import augment
from scalectl.trial import Recipe

EVALUATION_BATCH = 256
_SHORTEST_CYCLE = 5
"""Fewest steps of a cycle; below, torch divides by the zero steps of its warm-up."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Images:
    """The images of one split for the device that trains."""

    pixels: Tensor
    """uint8 (N, C, H, W) with 1 or 3 channels; on the device, or mapped from the cache."""
    labels: Tensor
    """int64 (N,), on the device."""
    streamed: bool = False
    """Whether pixels have no room on the device, and come batch by batch."""

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, chosen: Tensor) -> Tensor:
        """Return the pixels of some images on the device."""
        if self.streamed:
            return self.pixels[chosen.cpu()].to(self.labels.device)
        return self.pixels[chosen]


class Scores(NamedTuple):
    """How well a network predicts a split."""

    loss: float
    """Mean log-loss in nats."""
    top1: float
    """Fraction whose class is predicted first."""
    balanced_top1: float
    """Mean of that over the classes that the split has, whatever their sizes."""


class Learner:
    """A learner that calls torch for each operation: on CPUs, on Apple's GPUs, for users' networks.

    Its generators yield while they compute or wait.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, images: Images, *, flip: bool) -> None:
        self._recipe, self._flip = recipe, flip
        self.images = images
        """What the next epoch is trained on; the same images may be smaller first."""
        self._side = images.pixels.shape[-1]
        self._mean, self._spread = measure_channels(images)
        device = images.labels.device
        self._network = hasten(network.to(device).to(memory_format=torch.channels_last))
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self._schedule = make_schedule(self._optimizer, recipe, len(images))
        self._average = None
        if recipe.ema:
            decay = get_ema_multi_avg_fn(recipe.ema)
            self._average = AveragedModel(self._network, multi_avg_fn=decay, use_buffers=True)
        self._precision = (
            torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
        )

    @property
    def steps(self) -> int:
        """Number of steps taken so far."""
        return int(self._schedule.last_epoch)

    def learn(self, order: Tensor, draws: Tensor) -> Generator[None, None, float]:
        """Train on all images once, in that order; return the mean loss in nats.

        `order` is (N,). `draws` is (N, 3): row i augments the i-th image in order.
        """
        recipe, device = self._recipe, self.images.labels.device
        shift = recipe.shift * self.images.pixels.shape[-1] / self._side
        order, draws = order.to(device), draws.to(device)
        total = torch.zeros((), device=device)
        for chosen, draw in zip(
            order.split(recipe.batch_size), draws.split(recipe.batch_size), strict=True
        ):
            if len(chosen) == 1:
                continue  # batch norm has no variance of one image on a 1 x 1 map
            batch = augment(self.images.take(chosen), draw, shift, flip=self._flip)
            total += self.step(batch, self.images.labels[chosen]) * len(chosen)
            yield
        return (total / len(self.images)).item()

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Take a step on (N, C, H, W) images; return the mean loss before it, in nats."""
        if not self._network.training:
            self._network.train()
        logits = self._logits(self._network, images)
        loss = functional.cross_entropy(
            logits, labels, label_smoothing=self._recipe.label_smoothing
        )
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.gradient_clip)
        self._optimizer.step()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._network)
        return loss.detach()

    def evaluate(self, images: Images) -> Generator[None, None, Scores]:
        """Score the network, by its EMA weights if kept."""
        network = self._average.module if self._average else self._network
        network.eval()
        outputs = []
        for batch in images.pixels.split(EVALUATION_BATCH):
            with torch.inference_mode():
                outputs.append(self._logits(network, batch.to(images.labels.device)))
            yield
        logits = torch.cat(outputs)
        loss = functional.cross_entropy(logits, images.labels).item()
        right = (logits.argmax(1) == images.labels).float()
        weights = weigh_classes(images.labels, logits.shape[1])
        balanced_top1 = min(1.0, (right * weights).mean().item())
        return Scores(loss, right.mean().item(), balanced_top1)

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as `checkpoint` stores it."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        for parameter, moments in self._optimizer.state.items():
            for name, moment in moments.items():
                if moment.dim():  # else it is the count of steps
                    # A fused step takes it for granted that all lie in memory as the parameter does.
                    moments[name] = torch.empty_like(parameter).copy_(moment)

    def _parts(self) -> dict[str, Any]:
        parts = {
            "network": self._network,
            "average": self._average,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _logits(self, network: nn.Module, images: Tensor) -> Tensor:
        scaled = ((images.float() - self._mean) / self._spread).expand(-1, 3, -1, -1)
        with self._precision:
            logits: Tensor = network(scaled.contiguous(memory_format=torch.channels_last))
        return logits.float()


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, images: int) -> OneCycleLR:
    """Schedule the learning rate and the first moment's decay in one cycle (Smith & Topin 2018)."""
    steps = math.ceil(images / recipe.batch_size) * recipe.epochs
    return OneCycleLR(optimizer, recipe.learning_rate, max(_SHORTEST_CYCLE, steps), pct_start=0.25)


def start_as_identity(network: nn.Module) -> nn.Module:
    """Zero the last norm of each residual branch (Goyal et al. 2017, section 5.1), in place.

    Without it deep networks hardly learn in a few hundred steps, and depth would lose for that.
    """
    for block in network.modules():
        if isinstance(block, Residual) and block.shortcut is not None:
            silence(block)
    return network


def start_orthogonal(network: nn.Module) -> None:
    """Draw the kernels of ungrouped convolutions orthogonal (Saxe et al. 2014), in place.

    Each keeps its norm. Random ones of few channels may lose a direction, and then a training takes
    off late or not at all: noise between seeds that says nothing of the network.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == 1:
            norm = module.weight.detach().norm()
            nn.init.orthogonal_(module.weight)
            with torch.no_grad():
                module.weight.mul_(norm / module.weight.norm())


def weigh_classes(labels: Tensor, classes: int) -> Tensor:
    """Weigh images by their labels, (N,), so that each class weighs the same; the mean weight is 1."""
    # Without bincount, which waits for a GPU.
    counts = (labels[:, None] == torch.arange(classes, device=labels.device)).sum(0)
    return len(labels) / (counts * counts.count_nonzero())[labels]


def measure_channels(images: Images) -> tuple[Tensor, Tensor]:
    """Measure each channel's mean and standard deviation, (1, C, 1, 1), over up to 2,000 images."""
    part = images.pixels[:2000].to(images.labels.device).float()
    axes = (0, 2, 3)
    return part.mean(axes, keepdim=True), part.std(axes, keepdim=True).clamp_min(1)
