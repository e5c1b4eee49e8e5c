"""The brief training of a trial, or of several seeds at once: one loop, on a CPU or a GPU."""

import hashlib
import math
import random
import re
import time
import traceback
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scalectl import checkpoint, files
from scalectl.datasets import Split, open_dataset
from scalectl.datasets.cache import rendered
from scalectl.devices import choose_device, describe_environment, peak_memory, repeat_bits
from scalectl.errors import OutOfSpaceError
from scalectl.executors import Workspace
from scalectl.factory import Factory
from scalectl.learner import Learner, start_as_identity
from scalectl.network import build
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

_BEAT = 1.0
"""Seconds between signs of life."""


def run(trials: Sequence[Trial], workspace: Workspace) -> Iterator[News]:
    """Train one trial; or several that differ in their seeds alone, which take each step together.

    Yields each epoch of each, then their records. What goes wrong becomes a record too. They go on
    from their checkpoints, if there are any. One alone ends with the same bits as without; of several
    each ends as it would alone, up to rounding. Raises `OutOfSpaceError` alone: no other trial would
    find room either.
    """
    left = {trial.id: trial for trial in trials}
    try:
        for news in _train(trials, workspace):
            if isinstance(news, Record):
                del left[news.trial.id]
            yield news
    except OutOfSpaceError:
        raise
    except Exception as problem:
        state, error = _classify(problem), _explain(problem)
    for trial in left.values():
        if state is State.OUT_OF_MEMORY and len(trials) > 1:
            yield from run([trial], workspace)  # alone it may have room
        else:
            yield Record(trial=trial, state=state, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What an epoch leaves beside the learner's state."""

    curve: tuple[float, ...] = ()
    """Log-loss on the split that it is scored on, after each epoch."""
    top1: float = math.nan
    train_loss: float = math.nan
    seconds: float = 0.0

    @property
    def is_finite(self) -> bool:
        return not self.curve or math.isfinite(self.curve[-1] + self.train_loss)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a trial begins, or goes on."""

    trial: Trial
    past: _Past
    state: dict[str, Any] | None
    """The learner's; None at the very beginning."""

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.past.curve)


def _train(trials: Sequence[Trial], workspace: Workspace) -> Iterator[News]:
    device = choose_device(workspace.device)
    repeat_bits(device)
    environment = describe_environment(device)
    starts = [_resume(workspace.checkpoints / one.id, one, environment) for one in trials]
    for together in _arrange(starts):
        yield from _train_together(together, workspace, device, environment)


def _arrange(starts: Sequence[_Start]) -> list[list[_Start]]:
    """Those that can take steps together: after the same epoch, and with a network of scalectl's own.

    A user's may draw at random, or keep something, as stacked ones cannot.
    """
    if isinstance(starts[0].trial.candidate.architecture, Factory):
        return [[one] for one in starts]
    epochs = attrgetter("epochs")
    return [list(some) for _, some in groupby(sorted(starts, key=epochs), epochs)]


def _train_together(
    starts: Sequence[_Start],
    workspace: Workspace,
    device: torch.device,
    environment: dict[str, str],
) -> Iterator[News]:
    trials, pasts = [one.trial for one in starts], [one.past for one in starts]
    images, labels = _load(trials[0], workspace, "train", device)
    held_out, held_out_labels = _load(trials[0], workspace, trials[0].split, device)
    learner = Learner([_begin(trial) for trial in trials], trials[0].recipe, images)
    if states := [one.state for one in starts if one.state]:
        learner.restore(states)
    began = time.monotonic()

    def part(start: _Start) -> float:
        """Seconds of one of them: those of all in equal parts."""
        return start.past.seconds + (time.monotonic() - began) / len(starts)

    for epoch in range(starts[0].epochs + 1, trials[0].recipe.epochs + 1):
        train_losses = yield from _learn(learner, trials, epoch, images, labels)
        scores = learner.evaluate(held_out, held_out_labels)
        pasts = [
            _Past(curve=(*past.curve, loss), top1=top1, train_loss=train_loss, seconds=part(start))
            for start, past, train_loss, (loss, top1) in zip(
                starts, pasts, train_losses, scores, strict=True
            )
        ]
        finite = all(past.is_finite for past in pasts)
        if not finite and len(trials) > 1:
            # One may have spoilt the others: each finds out alone, from the epoch before.
            for trial in trials:
                yield from _train([trial], workspace)
            return
        if finite:
            for trial, past, state in zip(trials, pasts, learner.states(), strict=True):
                _save(workspace.checkpoints / trial.id, trial, state, past, environment)
        yield from map(_tell, trials, pasts)
        if not finite:
            break

    probed = min(len(images), len(held_out))
    fits = learner.evaluate(images[:probed], labels[:probed])
    for start, past, fit in zip(starts, pasts, fits, strict=True):
        whole = replace(past, seconds=part(start))
        forward = (3 * len(images) + len(held_out)) * len(past.curve) + probed
        yield _conclude(start.trial, whole, fit, forward, peak_memory(device), environment)


def _tell(trial: Trial, past: _Past) -> Progress:
    return Progress(
        trial=trial,
        epoch=len(past.curve),
        train_loss=past.train_loss,
        loss=past.curve[-1],
        top1=past.top1,
    )


def _conclude(
    trial: Trial,
    past: _Past,
    fit: tuple[float, float],
    forward: int,
    memory: int,
    environment: dict[str, str],
) -> Record:
    """The record; `fit` is loss and top-1 on training images, `forward` counts passes of one image."""
    finite = past.is_finite
    return Record(
        trial=trial,
        state=State.DONE if finite else State.DIVERGED,
        top1=past.top1 if finite else None,
        loss=past.curve[-1] if finite else None,
        train_top1=fit[1] if finite else None,
        train_loss=fit[0] if finite else None,
        curve=tuple(value for value in past.curve if math.isfinite(value)),
        seconds=past.seconds,
        macs_spent=forward * trial.candidate.cost.macs,
        peak_memory=memory,
        error="" if finite else f"the loss was not finite after epoch {len(past.curve)}",
        environment=environment,
    )


def _learn(
    learner: Learner, trials: Sequence[Trial], epoch: int, images: Tensor, labels: Tensor
) -> Generator[Heartbeat, None, list[float]]:
    """One epoch of all; the mean loss of each."""
    recipe, flip = trials[0].recipe, trials[0].recipe.flip and trials[0].data.flip
    _seed(trials[0].id, epoch)
    drawn = [_draw(trial.seed, epoch, len(images)) for trial in trials]
    orders = torch.stack([order for order, _ in drawn]).to(images.device)
    draws = torch.stack([draws[order] for order, draws in drawn]).to(images.device)
    totals = torch.zeros(len(trials), device=images.device)
    beat = time.monotonic()
    size = recipe.batch_size
    for chosen, draw in zip(orders.split(size, dim=1), draws.split(size, dim=1), strict=True):
        count = chosen.shape[1]
        if count == 1:
            continue  # batch norm has no variance of one image on a 1 x 1 map
        batch = _augment(images[chosen.flatten()], draw.flatten(0, 1), recipe.shift, flip=flip)
        totals += learner.learn(batch.unflatten(0, chosen.shape), labels[chosen]) * count
        if time.monotonic() - beat > _BEAT:
            beat = time.monotonic()
            for trial in trials:
                yield Heartbeat(trial=trial, steps=learner.steps)
    return (totals / len(images)).tolist()


def _begin(trial: Trial) -> nn.Module:
    """The network before its first step."""
    _seed(trial.id, 0)
    return start_as_identity(build(trial.candidate.architecture))


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
    with warnings.catch_warnings(action="ignore"):  # that the images must not be written to
        pixels = torch.from_numpy(images)
    return pixels.permute(0, 3, 1, 2).to(device), torch.from_numpy(labels).to(device)


def _seed(trial_id: str, epoch: int) -> None:
    """All that is drawn without a generator, such as initial weights and dropout: for one epoch.

    By the trial and the epoch alone, so that nothing that ran before decides it (PROMISES 5).
    """
    seed = _number(f"{trial_id} {epoch}")
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's factory may use it


def _draw(seed: int, epoch: int, count: int) -> tuple[Tensor, Tensor]:
    """The order of the images, (N,), and three numbers in [0, 1) for each of them, (N, 3).

    The same for every candidate of a seed: common random numbers (METHOD, section 3).
    """
    generator = torch.Generator().manual_seed(_number(f"images {seed} {epoch}"))
    order = torch.randperm(count, generator=generator)
    return order, torch.rand(count, 3, generator=generator)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _augment(images: Tensor, draws: Tensor, shift: float, *, flip: bool) -> Tensor:
    """Each image moved by its own shift, as a fraction of its side, and mirrored or not.

    What is uncovered repeats the border. (N, C, H, W) and (N, 3) -> (N, C, H, W).
    """
    count, side = len(images), images.shape[-1]
    move = ((draws[:, :2] * 2 - 1) * shift * side).round().long()
    place = torch.arange(side, device=images.device)
    rows = (place + move[:, :1]).clamp(0, side - 1)
    columns = (place + move[:, 1:]).clamp(0, side - 1)
    if flip:
        columns = torch.where(draws[:, 2:] < 0.5, columns.flip(1), columns)
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    return images[each, channels, rows[:, None, :, None], columns[:, None, None, :]]


def _resume(path: Path, trial: Trial, environment: dict[str, str]) -> _Start:
    """After the last epoch that was saved, or else at the beginning.

    A damaged checkpoint, or one of another machine class or version, is not continued: a record
    has one environment.
    """
    try:
        saved = checkpoint.decode(path.read_bytes())
    except (OSError, ValueError):
        return _Start(trial, _Past(), None)
    if (saved["trial"], saved["environment"]) != (trial.id, environment):
        return _Start(trial, _Past(), None)
    past = _Past(**{**saved["past"], "curve": tuple(saved["past"]["curve"])})
    return _Start(trial, past, saved["learner"])


def _save(
    path: Path, trial: Trial, state: dict[str, Any], past: _Past, environment: dict[str, str]
) -> None:
    whole = {"trial": trial.id, "environment": environment, "past": asdict(past), "learner": state}
    files.make_folder(path.parent)
    files.replace(path, checkpoint.encode(whole))


def _classify(problem: Exception) -> State:
    # torch and its oneDNN have no type of their own for memory that a CPU lacks.
    text = str(problem)
    short = isinstance(problem, MemoryError | torch.cuda.OutOfMemoryError) or (
        isinstance(problem, RuntimeError)
        and ("can't allocate memory" in text or text.endswith("could not create a primitive"))
    )
    return State.OUT_OF_MEMORY if short else State.ERROR


def _explain(problem: Exception) -> str:
    """What and where, without what a store must not hold: home folders, credentials (PROMISES 12)."""
    where = traceback.extract_tb(problem.__traceback__)[-1]
    text = f"{type(problem).__name__}: {problem} ({where.name}, line {where.lineno})"
    text = text.replace(str(Path.home()), "~")
    return re.sub(r"://[^/@\s]+@", "://", text)
