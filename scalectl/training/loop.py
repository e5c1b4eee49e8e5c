"""Train a trial briefly: one loop for CPUs and GPUs, with checkpoints and a record at the end."""

import hashlib
import math
import random
import re
import time
import traceback
import warnings
from collections.abc import Generator, Hashable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from scalectl.data import Split
from scalectl.errors import OutOfSpaceError, ScalectlError, describe
from scalectl.nn.build import build
from scalectl.store import atomic
from scalectl.training import checkpoint
from scalectl.training.compilation import can_compile
from scalectl.training.devices import choose_device, describe_environment, peak_memory, repeat_bits
from scalectl.training.graph_learner import GraphLearner, LearnerPool
from scalectl.training.learner import (
    Images,
    Learner,
    Scores,
    start_as_identity,
    start_orthogonal,
)
from scalectl.training.workspace import Workspace
from scalectl.trial import Heartbeat, News, Progress, Record, State, Trial

T = TypeVar("T")

_BEAT = 1.0
"""Seconds between signs of life."""


def run(trial: Trial, workspace: Workspace) -> Iterator[News]:
    """Train a trial; yield each epoch, and its record last.

    What goes wrong becomes a record too. Training goes on from the trial's checkpoint, if there is
    one, and ends with the same bits as without. Raises `OutOfSpaceError`, and nothing else: no
    other trial would find room either.
    """
    return (news for news in train(trial, workspace) if news is not None)


def train(
    trial: Trial, workspace: Workspace, pool: LearnerPool | None = None
) -> Iterator[News | None]:
    """Train a trial as `run` does, and yield None wherever others may compute meanwhile.

    `pool` keeps learners for other seeds of the same network.
    """
    try:
        yield from _train(trial, workspace, pool or LearnerPool())
    except OutOfSpaceError:
        raise
    except Exception as problem:
        yield Record(trial=trial, state=_classify(problem), error=_explain(problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What a checkpoint keeps beside the learner's state."""

    curve: tuple[float, ...] = ()
    """Log-loss on the split that it is scored on, after each epoch."""
    top1_curve: tuple[float, ...] = ()
    balanced_top1: float | None = None
    train_curve: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def is_finite(self) -> bool:
        return not self.curve or math.isfinite(self.curve[-1] + self.train_curve[-1])


def _train(trial: Trial, workspace: Workspace, pool: LearnerPool) -> Iterator[News | None]:
    device = choose_device(workspace.device)
    repeat_bits(device)
    environment = describe_environment(device)
    if _compiles(trial, device):
        environment["compiler"] = "torch.compile"

    def load(split: Split, size: int) -> Images:
        key = trial.data.digests[split], split, size
        return pool.load(key, partial(_load, trial, workspace, split, size, device))

    resolution = trial.candidate.architecture.resolution
    images, held_out = (load(split, resolution) for split in trial.splits)
    learner = _make_learner(trial, images, held_out, pool)
    place = workspace.checkpoints / trial.id
    past, state = _resume(place, trial, environment)
    if state:
        learner.restore(state)
    began = saved = time.monotonic() - past.seconds
    for epoch in range(len(past.curve) + 1, trial.recipe.epochs + 1):
        if isinstance(learner, Learner):  # graphs draw nothing, and have one size
            _seed(trial.id, epoch)
            learner.images = load("train", trial.size_at(epoch))
        order, draws = _draw(trial.seed, epoch, len(images))
        train_loss = yield from _beat(learner.learn(order, draws[order]), trial, learner)
        scores = yield from _beat(learner.evaluate(held_out), trial, learner)
        now = time.monotonic()
        past = _Past(
            curve=(*past.curve, scores.loss),
            top1_curve=(*past.top1_curve, scores.top1),
            balanced_top1=scores.balanced_top1,
            train_curve=(*past.train_curve, train_loss),
            seconds=now - began,
        )
        if past.is_finite and now - saved >= workspace.save_every:
            _save(place, trial, learner.state(), past, environment)
            saved = now
        yield Progress(
            trial=trial,
            epoch=epoch,
            train_loss=train_loss,
            loss=scores.loss,
            top1=scores.top1,
        )
        if not past.is_finite:
            break

    probed = min(len(images), len(held_out))
    part = replace(images, pixels=images.pixels[:probed], labels=images.labels[:probed])
    fit = yield from _beat(learner.evaluate(part), trial, learner)
    whole = replace(past, seconds=time.monotonic() - began)
    scored = len(held_out) * len(past.curve) + probed
    spent = trial.count_macs(len(past.curve)) + scored * trial.candidate.cost.macs
    if isinstance(learner, GraphLearner):
        pool.give(_describe_shape(trial), learner)
    yield _conclude(trial, whole, fit, spent, peak_memory(device), environment)


def _make_learner(
    trial: Trial, images: Images, held_out: Images, pool: LearnerPool
) -> Learner | GraphLearner:
    """Make the trial's learner: CUDA graphs on a GPU where they fit, else single calls."""
    _seed(trial.id, 0)
    network = start_as_identity(build(trial.candidate.architecture))
    if trial.recipe.orthogonal:
        start_orthogonal(network)
    flip = trial.recipe.flip and trial.data.flip
    if not (trial.fits_graphs and images.labels.is_cuda):
        return Learner(network, trial.recipe, images, flip=flip)
    known = pool.take(_describe_shape(trial))
    if known:
        known.restart(network)
        return known
    is_long = trial.count_macs(trial.recipe.epochs) >= _CHANNELS_LAST_FROM
    return GraphLearner(
        network,
        trial.recipe,
        images,
        held_out,
        flip=flip,
        memory_format=torch.channels_last if is_long else torch.contiguous_format,
        compiles=_compiles(trial, images.labels.device),
    )


_CHANNELS_LAST_FROM = 1e14
"""Multiply-adds of a training from which on kernels for channels that lie last are worth their
preparation, some seconds for each network."""
_COMPILED_FROM = 2e15
"""Multiply-adds of a training from which on compiling its network, about a minute, is worth it: ten
minutes of EfficientNet-B0 on an H100. An estimate."""


def _compiles(trial: Trial, device: torch.device) -> bool:
    """Whether a trial's network is compiled: on a GPU, where graphs fit, as the recipe says.

    Raises `ScalectlError` where the recipe wants what this machine cannot do.
    """
    wish = trial.recipe.compile
    if device.type != "cuda" or not trial.fits_graphs or wish == "off":
        return False
    if wish == "auto":
        return trial.count_macs(trial.recipe.epochs) >= _COMPILED_FROM and can_compile()
    if not can_compile():
        raise ScalectlError(
            "torch.compile needs torch 2.10 or later, Triton, a C compiler and Python's headers.",
            'Install them, or set proxy.compile to "auto" or "off".',
        )
    return True


def _describe_shape(trial: Trial) -> Hashable:
    """Return a key that is equal for trials which differ in their seeds alone."""
    return trial.candidate.fingerprint, trial.recipe, trial.split, tuple(trial.data.digests.items())


def _beat(
    work: Generator[None, None, T], trial: Trial, learner: Learner | GraphLearner
) -> Generator[Heartbeat | None, None, T]:
    """Do the work; yield a sign of life each second, and None in between."""
    beat = time.monotonic()
    while True:
        try:
            next(work)
        except StopIteration as result:
            return result.value  # type: ignore[no-any-return]
        if time.monotonic() - beat > _BEAT:
            beat = time.monotonic()
            yield Heartbeat(trial=trial, steps=learner.steps)
        else:
            yield None


def _conclude(
    trial: Trial,
    past: _Past,
    fit: Scores,
    spent: int,
    memory: int,
    environment: dict[str, str],
) -> Record:
    """Make the record of a training that ended.

    `fit`: scores on training images. `spent`: multiply-adds that the training took. `memory`: its
    peak, in bytes.
    """
    finite = past.is_finite
    return Record(
        trial=trial,
        state=State.DONE if finite else State.DIVERGED,
        top1=past.top1_curve[-1] if finite else None,
        balanced_top1=past.balanced_top1 if finite else None,
        loss=past.curve[-1] if finite else None,
        train_top1=fit.top1 if finite else None,
        train_loss=fit.loss if finite else None,
        curve=tuple(filter(math.isfinite, past.curve)),
        top1_curve=past.top1_curve,
        train_curve=tuple(filter(math.isfinite, past.train_curve)),
        seconds=past.seconds,
        macs_spent=spent,
        peak_memory=memory,
        error="" if finite else f"the loss was not finite after epoch {len(past.curve)}",
        environment=environment,
    )


def _load(
    trial: Trial, workspace: Workspace, split: Split, size: int, device: torch.device
) -> Images:
    images, labels = workspace.render(trial, split, size)
    with warnings.catch_warnings(action="ignore"):  # that the images must not be written to
        pixels = torch.from_numpy(images)
    pixels = pixels.permute(0, 3, 1, 2)
    # A split lies on a GPU if it takes at most half of what is free there.
    streamed = device.type == "cuda" and pixels.nbytes > torch.cuda.mem_get_info(device)[0] / 2
    whole = Images(
        pixels if streamed else pixels.to(device), torch.from_numpy(labels).to(device), streamed
    )
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # learners read it on streams of their own
    return whole


def _seed(trial_id: str, epoch: int) -> None:
    """Seed what is drawn without a generator in an epoch, such as initial weights and dropout.

    Trial and epoch alone decide the seed: nothing that ran before matters (docs/promises.md, 5).
    """
    seed = _number(f"{trial_id} {epoch}")
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's factory may use it


def _draw(seed: int, epoch: int, count: int) -> tuple[Tensor, Tensor]:
    """Draw the order of the images, (N,), and three numbers in [0, 1) for each of them, (N, 3).

    They are the same for every candidate of a seed: common random numbers (docs/method.md).
    """
    generator = torch.Generator().manual_seed(_number(f"images {seed} {epoch}"))
    order = torch.randperm(count, generator=generator)
    return order, torch.rand(count, 3, generator=generator)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _resume(
    path: Path, trial: Trial, environment: dict[str, str]
) -> tuple[_Past, dict[str, Any] | None]:
    """Return what the last checkpoint holds, and the learner's state; the beginning if there is none.

    A damaged checkpoint, or one of another machine class or version, is not continued: a record
    has one environment.
    """
    try:
        saved = checkpoint.decode(path.read_bytes())
    except (OSError, ValueError):
        return _Past(), None
    past, known = saved["past"], asdict(_Past()).keys()
    if (saved["trial"], saved["environment"], past.keys()) != (trial.id, environment, known):
        return _Past(), None
    curves = {name: tuple(past[name]) for name in known if name.endswith("curve")}
    return _Past(**{**past, **curves}), saved["learner"]


def _save(
    path: Path, trial: Trial, state: dict[str, Any], past: _Past, environment: dict[str, str]
) -> None:
    whole = {"trial": trial.id, "environment": environment, "past": asdict(past), "learner": state}
    atomic.make_folder(path.parent)
    atomic.replace(path, checkpoint.encode(whole))


def _classify(problem: Exception) -> State:
    # torch and its oneDNN have no type of their own for memory that a CPU lacks.
    text = str(problem)
    short = isinstance(problem, MemoryError | torch.cuda.OutOfMemoryError) or (
        isinstance(problem, RuntimeError)
        and ("can't allocate memory" in text or text.endswith("could not create a primitive"))
    )
    return State.OUT_OF_MEMORY if short else State.ERROR


def _explain(problem: Exception) -> str:
    """Say what went wrong and where, without home folders and credentials (docs/promises.md, 12)."""
    where = traceback.extract_tb(problem.__traceback__)[-1]
    text = f"{type(problem).__name__}: {describe(problem)} ({where.name}, line {where.lineno})"
    text = text.replace(str(Path.home()), "~")
    return re.sub(r"://[^/@\s]+@", "://", text)
