"""A network with all that a training changes about it: what a checkpoint has to hold."""

import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scalectl.blocks import Residual
from scalectl.depthwise import hasten
from scalectl.trial import Recipe

_EVALUATION_BATCH = 256
_SHORTEST_CYCLE = 5
"""In steps; below, torch divides by the zero steps of its warm-up."""


class Learner:
    """A network, its optimizer and schedule, and the average of its weights where one is kept.

    `images` are those to be trained on, (N, C, H, W) with 1 or 3 channels, on the device to use.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, images: Tensor) -> None:
        self._recipe = recipe
        self._mean, self._spread = _statistics(images)
        device = images.device
        self._network = hasten(network.to(device).to(memory_format=torch.channels_last))
        self._optimizer = torch.optim.AdamW(
            network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        steps = math.ceil(len(images) / recipe.batch_size) * recipe.epochs
        self._schedule = OneCycleLR(
            self._optimizer, recipe.learning_rate, max(_SHORTEST_CYCLE, steps), pct_start=0.25
        )
        self._average = None
        if recipe.ema:
            decay = get_ema_multi_avg_fn(recipe.ema)
            self._average = AveragedModel(network, multi_avg_fn=decay, use_buffers=True)
        self._precision = (
            torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
        )

    @property
    def steps(self) -> int:
        """How many have been taken."""
        return int(self._schedule.last_epoch)

    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step; the mean loss before it, in nats."""
        if not self._network.training:
            self._network.train()
        loss = functional.cross_entropy(
            self._logits(self._network, images),
            labels,
            label_smoothing=self._recipe.label_smoothing,
        )
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.gradient_clip)
        self._optimizer.step()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._network)
        return loss.detach()

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[float, float]:
        """Mean log-loss in nats, and top-1 as a fraction; of the average where one is kept."""
        network = self._average or self._network
        network.eval()
        with torch.inference_mode():
            output = torch.cat(
                [self._logits(network, batch) for batch in images.split(_EVALUATION_BATCH)]
            )
            loss = functional.cross_entropy(output, labels).item()
            return loss, (output.argmax(1) == labels).float().mean().item()

    def state(self) -> dict[str, Any]:
        """As `checkpoint` stores it."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Back to where `state` was taken."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

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
            output: Tensor = network(scaled.contiguous(memory_format=torch.channels_last))
        return output.float()


def start_as_identity(network: nn.Module) -> nn.Module:
    """Residual branches begin at zero (Goyal et al. 2017, section 5.1).

    Without it deep networks hardly learn in a few hundred steps, and depth would lose for that.
    """
    for block in network.modules():
        if isinstance(block, Residual) and block.shortcut is not None:
            norms = [part for part in block.body.modules() if isinstance(part, nn.BatchNorm2d)]
            for last in norms[-1:]:  # none in ConvNeXt, whose layer scale starts small
                nn.init.zeros_(last.weight)
    return network


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, (1, C, 1, 1), over a part of the images."""
    part = images[:2000].float()
    axes = (0, 2, 3)
    return part.mean(axes, keepdim=True), part.std(axes, keepdim=True).clamp_min(1)
