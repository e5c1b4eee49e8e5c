"""Networks with all that a training changes about them: what a checkpoint has to hold."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from scalectl import stacking
from scalectl.blocks import Network, Residual
from scalectl.capture import Graph
from scalectl.depthwise import hasten
from scalectl.trial import Recipe

_EVALUATION_BATCH = 256
_SHORTEST_CYCLE = 5
"""In steps; below, torch divides by the zero steps of its warm-up."""


class Learner:
    """A network, its optimizer and schedule, and the average of its weights where one is kept.

    Or several networks of one shape, which take each step together. `images` are those to be trained
    on, (N, C, H, W) with 1 or 3 channels, on the device to use.
    """

    def __init__(self, networks: Sequence[nn.Module], recipe: Recipe, images: Tensor) -> None:
        self._recipe = recipe
        self._mean, self._spread = _statistics(images)
        device = images.device
        placed = [one.to(device).to(memory_format=torch.channels_last) for one in networks]
        self._count = len(placed)
        self._network = hasten(placed[0] if self._count == 1 else stacking.stack(placed))
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        steps = math.ceil(len(images) / recipe.batch_size) * recipe.epochs
        self._schedule = OneCycleLR(
            self._optimizer, recipe.learning_rate, max(_SHORTEST_CYCLE, steps), pct_start=0.25
        )
        self._average = None
        if recipe.ema:
            decay = get_ema_multi_avg_fn(recipe.ema)
            self._average = AveragedModel(self._network, multi_avg_fn=decay, use_buffers=True)
        self._precision = (
            torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
        )
        # Of a user's own network it is not known that it never asks a GPU for a number.
        captured = device.type == "cuda" and isinstance(networks[0], Network)
        self._graph = Graph(list(self._network.parameters())) if captured else None

    @property
    def steps(self) -> int:
        """How many have been taken."""
        return int(self._schedule.last_epoch)

    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of S networks, each on images of its own: (S, N, C, H, W) and (S, N).

        The mean losses before it, (S,), in nats.
        """
        if not self._network.training:
            self._network.train()
        if self._graph:
            losses = self._graph.run(self._find_gradients, images, labels)
        else:
            losses = self._find_gradients(images, labels)
        self._optimizer.step()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._network)
        return losses

    def evaluate(self, images: Tensor, labels: Tensor) -> list[tuple[float, float]]:
        """Mean log-loss in nats, and top-1 as a fraction, of each network on the same images.

        Of the averages where they are kept. (N, C, H, W) and (N,).
        """
        network = self._average.module if self._average else self._network
        network.eval()
        with torch.inference_mode():
            batches = images.expand(self._count, *images.shape).split(_EVALUATION_BATCH, dim=1)
            outputs = torch.cat([self._logits(network, batch) for batch in batches], dim=1)
            return [
                (
                    functional.cross_entropy(output, labels).item(),
                    (output.argmax(1) == labels).float().mean().item(),
                )
                for output in outputs
            ]

    def states(self) -> list[dict[str, Any]]:
        """Of each network as if it were alone, as `checkpoint` stores it."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        if self._count == 1:
            return [state]
        return [stacking.take(state, index, self._count) for index in range(self._count)]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """Back to where all of them were after the same step."""
        state = states[0] if self._count == 1 else stacking.unite(states)
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

    def _find_gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """Clipped, for the optimizer; the losses. Nothing of it waits for a GPU."""
        each = [
            functional.cross_entropy(output, of, label_smoothing=self._recipe.label_smoothing)
            for output, of in zip(self._logits(self._network, images), labels, strict=True)
        ]
        losses = torch.stack(each)
        self._optimizer.zero_grad()
        losses.sum().backward()
        if self._count == 1:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.gradient_clip)
        else:
            stacking.clip_each(self._network, self._count, self._recipe.gradient_clip)
        return losses.detach()

    def _logits(self, network: nn.Module, images: Tensor) -> Tensor:
        scaled = ((images.float() - self._mean) / self._spread).expand(-1, -1, 3, -1, -1)
        with self._precision:
            return stacking.call(network, scaled).float()


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
