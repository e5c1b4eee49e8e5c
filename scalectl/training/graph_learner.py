"""Take training steps, and evaluate, as CUDA graphs: one call for all kernels of a step.

A step of a small network is over a thousand kernels, whose calls take ten times longer than the GPU
computes. A graph holds them all: choosing the batch, augmentation, forward and backward pass,
clipping, the optimizer. Nothing in it needs the CPU, so several trainings fill a GPU side by side,
each on a stream of its own, with the bits that it would have alone.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from scalectl.training.augmentation import augment
from scalectl.training.compilation import compile_network, compiling
from scalectl.training.learner import (
    EVALUATION_BATCH,
    Images,
    Scores,
    make_schedule,
    measure_channels,
    weigh_classes,
)
from scalectl.trial import Recipe

_AHEAD = 16
"""Most steps in the GPU's queue, so that it seldom waits for the CPU. Not more: CUDA loads a kernel
when it is first used, and waits for the whole queue before it does."""
_AHEAD_STREAMED = 4
"""The same where the images come batch by batch, each of which keeps its place in pinned memory."""
_SECOND_DECAY, _EPSILON = 0.999, 1e-8
"""Decay of AdamW's second moment, and its epsilon: torch's defaults."""


class GraphLearner:
    """A learner whose weights, moments and averages are flat tensors, which graphs change in place.

    It does what `Learner` does. Convolutions and linear layers compute in bfloat16, on one copy of
    the weights for each step. Where there is no CUDA, each step runs as it is, in float32. Images
    without room on the device are copied ahead of their steps, through pinned memory. With
    `compiles`, whole batches go through the network as torch.compile makes it.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        images: Images,
        held_out: Images,
        *,
        flip: bool,
        memory_format: torch.memory_format = torch.contiguous_format,
        compiles: bool = False,
    ) -> None:
        device = images.labels.device
        self._format = memory_format
        self._recipe, self._images, self._held_out, self._flip = recipe, images, held_out, flip
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._mean, self._spread = measure_channels(images)
        self._network = network.to(device)
        self._parameters = list(self._network.parameters())
        self._weights, self._weight_views = _flatten(self._parameters)
        self._gradients, self._gradient_views = _flatten(self._parameters)
        self._moments = torch.zeros_like(self._weights)
        self._squares = torch.zeros_like(self._weights)
        self._buffers, self._average, self._average_views = _join_buffers(self._network), None, None
        if recipe.ema:
            self._average, self._average_views = _flatten(self._parameters)
            self._average_buffers = self._buffers.clone()
        if device.type == "cuda":
            _lower_precision(self._network)
        self._network.to(memory_format=memory_format)
        self._whole = compile_network(self._network) if compiles else self._network
        """The network for whole batches."""
        self._taken = 0
        self._step = torch.zeros(1, dtype=torch.int64, device=device)
        self._table = _tabulate_schedule(recipe, len(images)).to(device)
        self._order = torch.zeros(len(images), dtype=torch.int64, device=device)
        self._draws = torch.zeros(len(images), 3, device=device)
        self._total = torch.zeros((), device=device)
        self._classes = int(images.labels.max()) + 1
        self._score = torch.zeros(len(Scores._fields), device=device)
        whole, rest = divmod(len(images), recipe.batch_size)
        # Batch norm has no variance of one image on a 1 x 1 map.
        self._batches = [recipe.batch_size] * whole + [rest] * (rest > 1)
        self._ahead = _AHEAD_STREAMED if images.streamed else _AHEAD
        if images.streamed:
            count, *shape = images.pixels.permute(0, 2, 3, 1).shape
            shape = [min(count, recipe.batch_size), *shape]
            self._batch = torch.zeros(shape, dtype=torch.uint8, device=device)
            self._pinned = torch.zeros(
                self._ahead + 1, *shape, dtype=torch.uint8, pin_memory=self._stream is not None
            )
        with compiling() if compiles else nullcontext():
            self._graphs = self._record()

    @property
    def steps(self) -> int:
        return self._taken

    def learn(self, order: Tensor, draws: Tensor) -> Generator[None, None, float]:
        if self._stream is not None:
            order, draws = order.pin_memory(), draws.pin_memory()
        with self._computing():
            self._order.copy_(order, non_blocking=True)
            self._draws.copy_(draws, non_blocking=True)
            self._total.zero_()
        queue = deque[torch.cuda.Event]()
        for number, size in enumerate(self._batches):
            if self._images.streamed:
                self._copy_batch(order, number, size)
            with self._computing():
                self._graphs[size]()
                queue.append(self._mark())
            while len(queue) > self._ahead or (queue and queue[0].query()):
                if queue[0].query():
                    queue.popleft()
                    self._taken += 1
                else:
                    yield
        total = yield from self._fetch(self._total)
        self._taken += len(queue)
        return total.item() / len(self._images)

    def evaluate(self, images: Images) -> Generator[None, None, Scores]:
        if images is self._held_out and 0 in self._graphs:
            with self._computing():
                self._graphs[0]()
        else:
            yield from self._evaluate(images)
        score = yield from self._fetch(self._score)
        loss, top1, balanced_top1 = (score / len(images)).tolist()
        return Scores(loss, top1, min(1.0, balanced_top1))

    def state(self) -> dict[str, Any]:
        with self._computing():
            parts = {name: part.to("cpu", copy=True) for name, part in self._parts().items()}
        return {"steps": self._taken, **parts}

    def restore(self, state: dict[str, Any]) -> None:
        with self._computing(), torch.no_grad():
            for name, part in self._parts().items():
                part.copy_(state[name])
            self._step.fill_(state["steps"])
            self._load(self._weight_views)
        self._taken = state["steps"]

    def restart(self, network: nn.Module) -> None:
        """Begin anew with the weights of another network of the same shape."""
        with torch.no_grad():
            state = {name: torch.zeros_like(part) for name, part in self._parts().items()}
            state["weights"] = torch.cat([part.detach().flatten() for part in network.parameters()])
            state["buffers"] = torch.cat([part.flatten() for part in _list_buffers(network)])
        self.restore({**state, "steps": 0})

    def _parts(self) -> dict[str, Tensor]:
        parts = {
            "weights": self._weights,
            "moments": self._moments,
            "squares": self._squares,
            "buffers": self._buffers,
        }
        if self._average is not None:
            parts |= {"average": self._average, "average_buffers": self._average_buffers}
        return parts

    def _record(self) -> dict[int, Callable[[], None]]:
        """Record graphs: of a step by its number of images, and of an evaluation by 0."""
        before = {name: part.clone() for name, part in self._parts().items()}
        tasks: dict[int, Callable[[], None]] = {
            size: lambda size=size: self._train(size)  # type: ignore[misc]
            for size in dict.fromkeys(self._batches)
        }
        if not self._held_out.streamed:
            tasks[0] = self._evaluate_held_out
        if self._stream is None:
            return tasks
        self._stream.wait_stream(torch.cuda.default_stream())
        graphs = {}
        for size, task in tasks.items():
            with self._computing():
                task()  # in which libraries choose their kernels and take their memory
            graphs[size] = _capture(task, self._stream)
        self.restore({**before, "steps": 0})
        return graphs

    def _train(self, size: int) -> None:
        """Take a step on the next `size` images of the epoch."""
        start = (self._step % len(self._batches)) * self._recipe.batch_size
        place = start + torch.arange(size, device=self._order.device)
        chosen = self._order[place]
        if self._images.streamed:
            pixels = self._batch[:size].permute(0, 3, 1, 2)
        else:
            pixels = self._images.pixels[chosen]
        pixels = augment(pixels, self._draws[place], self._recipe.shift, flip=self._flip)
        self._network.train()
        network = self._whole if size == self._recipe.batch_size else self._network
        loss = functional.cross_entropy(
            self._logits(network, pixels),
            self._images.labels[chosen],
            label_smoothing=self._recipe.label_smoothing,
        )
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()
        with torch.no_grad():
            self._total += loss * size
            gradients = [
                parameter.grad for parameter in self._parameters if parameter.grad is not None
            ]
            torch._foreach_copy_(self._gradient_views, gradients)
            self._update()

    def _copy_batch(self, order: Tensor, number: int, size: int) -> None:
        """Copy the images of a step to the device, once the steps before it are done there.

        Their place in pinned memory is free: no more steps are in the queue than there are places.
        """
        place = self._pinned[number % len(self._pinned), :size]
        chosen = order[number * self._recipe.batch_size :][:size]
        torch.index_select(self._images.pixels.permute(0, 2, 3, 1), 0, chosen, out=place)
        with self._computing():
            self._batch[:size].copy_(place, non_blocking=True)

    def _update(self) -> None:
        """Clip the gradients, and apply AdamW (Loshchilov & Hutter 2019) with this step's numbers."""
        recipe, row = self._recipe, self._table[self._step][0]
        rate, fresh, correction, root = row[0], row[1], row[2], row[3]
        norm = torch.linalg.vector_norm(self._gradients)
        self._gradients.mul_((recipe.gradient_clip / (norm + 1e-6)).clamp(max=1.0))
        self._moments.lerp_(self._gradients, fresh)
        self._squares.mul_(_SECOND_DECAY).addcmul_(
            self._gradients, self._gradients, value=1 - _SECOND_DECAY
        )
        self._weights.mul_(1 - rate * recipe.weight_decay)
        denominator = (self._squares.sqrt() / root).add_(_EPSILON)
        self._weights.sub_(self._moments / denominator * (rate / correction))
        self._load(self._weight_views)
        if self._average is not None:
            self._average.lerp_(self._weights, row[4])
            self._average_buffers.lerp_(self._buffers, row[4])
        self._step += 1

    def _evaluate_held_out(self) -> None:
        for _ in self._evaluate(self._held_out):
            pass

    def _evaluate(self, images: Images) -> Iterator[None]:
        """Add up loss and hits on the device, batch by batch."""
        with self._computing(), torch.no_grad():
            self._network.eval()
            if self._average_views is not None:
                kept = self._buffers.clone()
                self._buffers.copy_(self._average_buffers)
                self._load(self._average_views)
            weights = weigh_classes(images.labels, self._classes)
            self._score.zero_()
        batches = zip(
            images.pixels.split(EVALUATION_BATCH),
            images.labels.split(EVALUATION_BATCH),
            weights.split(EVALUATION_BATCH),
            strict=True,
        )
        for pixels, labels, weight in batches:
            with self._computing(), torch.no_grad():
                logits = self._logits(self._network, pixels.to(labels.device))
                right = logits.argmax(1) == labels
                self._score[0] += functional.cross_entropy(logits, labels, reduction="sum")
                self._score[1] += right.sum()
                self._score[2] += (right * weight).sum()
            yield
        if self._average_views is not None:
            with self._computing(), torch.no_grad():
                self._buffers.copy_(kept)
                self._load(self._weight_views)

    def _logits(self, network: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        scaled = ((pixels.float() - self._mean) / self._spread).expand(-1, 3, -1, -1)
        with torch.autocast(pixels.device.type, torch.bfloat16, self._stream is not None):
            logits = network(scaled.contiguous(memory_format=self._format))
        return logits.float()

    def _load(self, views: Sequence[Tensor]) -> None:
        """Load these weights into the network."""
        here = [parameter.detach() for parameter in self._parameters]
        torch._foreach_copy_(here, list(views))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Compute on this learner's stream; never around a `yield`: other learners have others."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def _mark(self) -> Any:
        return _NEVER_WAITS if self._stream is None else self._stream.record_event()

    def _fetch(self, value: Tensor) -> Generator[None, None, Tensor]:
        """Copy a value to the CPU once all work before it is done."""
        with self._computing():
            copy = torch.empty_like(value, device="cpu", pin_memory=self._stream is not None)
            copy.copy_(value, non_blocking=True)
            done = self._mark()
        while not done.query():
            yield
        return copy


def _flatten(parameters: Sequence[nn.Parameter]) -> tuple[Tensor, list[Tensor]]:
    """Return a float32 copy of all parameters in one tensor, and views of it in their shapes."""
    flat = torch.cat([parameter.detach().float().flatten() for parameter in parameters])
    parts = flat.split([parameter.numel() for parameter in parameters])
    views = [part.view(source.shape) for part, source in zip(parts, parameters, strict=True)]
    return flat, views


def _list_buffers(network: nn.Module) -> list[Tensor]:
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]


def _join_buffers(network: nn.Module) -> Tensor:
    """Move running statistics into one tensor, of which the network's own become views."""
    buffers = _list_buffers(network)
    flat = torch.cat([buffer.flatten() for buffer in buffers] or [torch.zeros(0)])
    parts = iter(flat.split([buffer.numel() for buffer in buffers]))
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_floating_point():
                setattr(module, name, next(parts).view(buffer.shape))
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = None  # counts for nothing where momentum is given
    return flat


def _lower_precision(network: nn.Module) -> None:
    """Convert convolutions and linear layers to bfloat16 in place, as autocast would for each call."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(torch.bfloat16)


def _tabulate_schedule(recipe: Recipe, images: int) -> Tensor:
    """Tabulate the numbers of each step, (steps, 5).

    They are the learning rate, the weight of a new gradient in the first moment, both bias corrections
    (of the second moment its root), and the weight of new weights in their average.
    """
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], recipe.learning_rate)
    schedule, rows = make_schedule(optimizer, recipe, images), []
    for step in range(1, schedule.total_steps + 1):
        (group,) = optimizer.param_groups
        rate, decay = group["lr"], group["betas"][0]
        roots = math.sqrt(1 - _SECOND_DECAY**step)
        rows.append((rate, 1 - decay, 1 - decay**step, roots, 1 - recipe.ema if step > 1 else 1.0))
        if step < schedule.total_steps:
            optimizer.step()
            schedule.step()
    return torch.tensor(rows)


def _capture(task: Callable[[], None], stream: "torch.cuda.Stream") -> Callable[[], None]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        graph.capture_begin(capture_error_mode="thread_local")  # other learners go on meanwhile
        try:
            task()
        except BaseException:
            with suppress(RuntimeError):
                graph.capture_end()  # else nothing on this GPU could go on
            raise
        graph.capture_end()
    replay: Callable[[], None] = graph.replay
    return replay


class _Done:
    """Stands for a CUDA event whose work is done already, where there is no CUDA."""

    def query(self) -> bool:
        return True


_NEVER_WAITS = _Done()


class LearnerPool:
    """Images that trials of one process share, and learners whose trials are over.

    Such a learner has recorded its graphs, which serve every seed of its network.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._idle = deque[tuple[Hashable, GraphLearner]]()
        self._images = WeakValueDictionary[Hashable, Images]()

    def load(self, key: Hashable, load: Callable[[], Images]) -> Images:
        """Return the images of that key: those that some learner has, or else loaded anew."""
        images = self._images.get(key)
        if images is None:
            images = self._images[key] = load()
        return images

    def take(self, key: Hashable) -> GraphLearner | None:
        """Take a learner of that key out of the pool; None where there is none."""
        for place, (name, learner) in enumerate(self._idle):
            if name == key:
                del self._idle[place]
                return learner
        return None

    def give(self, key: Hashable, learner: GraphLearner) -> None:
        """Keep a learner; the one that has been idle for longest goes where there are too many."""
        self._idle.append((key, learner))
        if len(self._idle) > self._most:
            self._idle.popleft()

    def forget(self) -> bool:
        """Let go of all idle learners, whose graphs hold memory; return whether there were any."""
        had = bool(self._idle)
        self._idle.clear()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        return had
