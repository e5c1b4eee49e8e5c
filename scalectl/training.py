"""The brief training of one trial: one loop, on a CPU or a GPU."""

import hashlib
import math
import random
import re
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scalectl import checkpoint, files
from scalectl.datasets import Split, open_dataset
from scalectl.datasets.cache import rendered
from scalectl.devices import choose_device, describe_environment, peak_memory, repeat_bits
from scalectl.errors import OutOfSpaceError
from scalectl.executors import Workspace
from scalectl.learner import Learner, start_as_identity
from scalectl.network import build
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

_BEAT = 1.0
"""Seconds between signs of life."""


def run(trial: Trial, workspace: Workspace) -> Iterator[News]:
    """Train a trial; yield each epoch, then the record. What goes wrong becomes a record too.

    It goes on from its checkpoint if there is one, and ends with the same bits as without. Raises
    `OutOfSpaceError` alone: no other trial would find room either.
    """
    try:
        yield from _train(trial, workspace)
    except OutOfSpaceError:
        raise
    except Exception as problem:
        yield Record(trial=trial, state=_classify(problem), error=_explain(problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What an epoch leaves beside the learner's state."""

    curve: tuple[float, ...] = ()
    """Log-loss on the split that it is scored on, after each epoch."""
    top1: float = math.nan
    train_loss: float = math.nan
    seconds: float = 0.0


def _train(trial: Trial, workspace: Workspace) -> Iterator[News]:
    recipe = trial.recipe
    device = choose_device(workspace.device)
    repeat_bits(device)
    images, labels = _load(trial, workspace, "train", device)
    held_out, held_out_labels = _load(trial, workspace, trial.split, device)
    _seed(trial.id, 0)
    learner = Learner(start_as_identity(build(trial.candidate.architecture)), recipe, images)
    environment = describe_environment(device)
    saved = workspace.checkpoints / trial.id
    past = _resume(saved, trial, learner, environment)
    started = time.monotonic() - past.seconds

    for epoch in range(len(past.curve) + 1, recipe.epochs + 1):
        _seed(trial.id, epoch)
        order, draws = _draw(trial.seed, epoch, len(images))
        total = torch.zeros((), device=device)
        beat = time.monotonic()
        for chosen in order.split(recipe.batch_size):
            if len(chosen) == 1:
                continue  # batch norm has no variance of one image on a 1 x 1 map
            flip = recipe.flip and trial.data.flip
            batch = _augment(images[chosen], draws[chosen], recipe.shift, flip=flip)
            total += learner.learn(batch, labels[chosen]) * len(chosen)
            if time.monotonic() - beat > _BEAT:
                beat = time.monotonic()
                yield Heartbeat(trial=trial, steps=learner.steps)
        loss, top1 = learner.evaluate(held_out, held_out_labels)
        past = _Past(
            curve=(*past.curve, loss),
            top1=top1,
            train_loss=(total / len(images)).item(),
            seconds=time.monotonic() - started,
        )
        if _is_finite(past):
            _save(saved, trial, learner, past, environment)
        yield Progress(trial=trial, epoch=epoch, train_loss=past.train_loss, loss=loss, top1=top1)
        if not _is_finite(past):
            break

    finite = _is_finite(past)
    probed = min(len(images), len(held_out))
    train_loss, train_top1 = (
        learner.evaluate(images[:probed], labels[:probed]) if finite else (None, None)
    )
    epochs = len(past.curve)
    forward = (3 * len(images) + len(held_out)) * epochs + probed
    yield Record(
        trial=trial,
        state=State.DONE if finite else State.DIVERGED,
        top1=past.top1 if finite else None,
        loss=past.curve[-1] if finite else None,
        train_top1=train_top1,
        train_loss=train_loss,
        curve=tuple(value for value in past.curve if math.isfinite(value)),
        seconds=time.monotonic() - started,
        macs_spent=forward * trial.candidate.cost.macs,
        peak_memory=peak_memory(device),
        error="" if finite else f"the loss was not finite after epoch {epochs}",
        environment=environment,
    )


def _is_finite(past: _Past) -> bool:
    return math.isfinite(past.curve[-1]) and math.isfinite(past.train_loss)


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
    place = torch.arange(side)
    rows = (place + move[:, :1]).clamp(0, side - 1).to(images.device)
    columns = (place + move[:, 1:]).clamp(0, side - 1)
    if flip:
        columns = torch.where(draws[:, 2:] < 0.5, columns.flip(1), columns)
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    return images[
        each, channels, rows[:, None, :, None], columns.to(images.device)[:, None, None, :]
    ]


def _resume(path: Path, trial: Trial, learner: Learner, environment: dict[str, str]) -> _Past:
    """Back to the last epoch that was saved, or else to the beginning.

    A damaged checkpoint, or one of another machine class or version, is not continued: a record
    has one environment.
    """
    try:
        state = checkpoint.decode(path.read_bytes())
    except (OSError, ValueError):
        return _Past()
    if (state["trial"], state["environment"]) != (trial.id, environment):
        return _Past()
    learner.restore(state["learner"])
    return _Past(**{**state["past"], "curve": tuple(state["past"]["curve"])})


def _save(
    path: Path, trial: Trial, learner: Learner, past: _Past, environment: dict[str, str]
) -> None:
    state = {
        "trial": trial.id,
        "environment": environment,
        "past": asdict(past),
        "learner": learner.state(),
    }
    files.make_folder(path.parent)
    files.replace(path, checkpoint.encode(state))


def _classify(problem: Exception) -> State:
    # torch has no type of its own for memory that a CPU lacks.
    short = isinstance(problem, MemoryError | torch.cuda.OutOfMemoryError) or (
        isinstance(problem, RuntimeError) and "can't allocate memory" in str(problem)
    )
    return State.OUT_OF_MEMORY if short else State.ERROR


def _explain(problem: Exception) -> str:
    """What and where, without what a store must not hold: home folders, credentials (PROMISES 12)."""
    where = traceback.extract_tb(problem.__traceback__)[-1]
    text = f"{type(problem).__name__}: {problem} ({where.name}, line {where.lineno})"
    text = text.replace(str(Path.home()), "~")
    return re.sub(r"://[^/@\s]+@", "://", text)
