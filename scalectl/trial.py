"""What is trained and what came of it: candidate -> trial -> record."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from scalectl.cost import Cost
from scalectl.factory import Baseline
from scalectl.scaling import Coefficients, Multipliers, Shares


class State(StrEnum):
    """How a trial ended. Only a done trial is ever ranked."""

    DONE = "done"
    DIVERGED = "diverged"
    """The loss or a metric stopped being finite."""
    ERROR = "error"
    """The training raised an exception."""
    OUT_OF_MEMORY = "out_of_memory"
    """It asked for more than there is, or than it was allowed."""
    STALLED = "stalled"
    """It gave no sign of life for too long, and was stopped."""
    KILLED = "killed"
    """The process of the trial died: by a signal, or by leaving on its own."""

    @property
    def is_final(self) -> bool:
        """Whether training the same again could not end otherwise."""
        return self in (State.DONE, State.DIVERGED)


Stage = Literal["search", "confirm", "fidelity", "rung"]
"""What a trial is for: to choose; to confirm the choice on fresh seeds and test images; to see whether
longer trainings choose the same; or to see, by a shorter one, whether a candidate is worth a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A network that may be trained: a size of the proxy, as a rule at phi = 1."""

    control: str
    """The name under which it is always in the search ("depth", "dwr", ...), or ""."""
    coefficients: Coefficients
    """As requested, before any rounding."""
    multipliers: Multipliers
    """Realised: blocks, MAC-equivalent width and pixels, over those of the baseline."""
    shares: Shares | None
    """Realised: how the added MACs are divided. None for the baseline, which adds none."""
    nominal_ratio: float
    """Compute over the baseline's by the formula, for the coefficients as requested."""
    realised_ratio: float
    """Compute over the baseline's, counted on the rounded network."""
    architecture: Baseline
    cost: Cost
    phi: float = 1.0
    """Of the size that it is: 2^phi times the baseline's compute; 0 for the baseline."""

    @property
    def fingerprint(self) -> str:
        """Equal for candidates that are the same network."""
        return self.architecture.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How each candidate is trained: the same for all (METHOD: brief, last epoch's score)."""

    epochs: int
    batch_size: int
    learning_rate: float
    """Peak of the one-cycle schedule."""
    weight_decay: float
    gradient_clip: float
    """Largest norm of a step's gradient."""
    label_smoothing: float
    shift: float
    """Largest random shift, as a fraction of the image's side."""
    flip: bool
    """Mirror half of the images, where the data set says that this keeps their class."""
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Decay, per step, of a moving average of the weights, which is then what is scored; 0 means none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many images a split has at most; 0 means all there are."""

    train: int
    select: int
    test: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """What was trained on: enough to tell whether two trials saw the same data."""

    name: str
    classes: int
    native: int
    """The largest resolution, in pixels, at which the images still carry information of their own."""
    flip: bool
    """Whether a mirrored image keeps its class."""
    note: str
    """What a reader of the results must know about the data, or ""."""
    sizes: dict[str, int]
    """Images in "train", "select" and "test"."""
    digests: dict[str, str]
    """A hash of the content of each split."""


@dataclass(frozen=True, kw_only=True)  # no slots: it keeps its id
class Trial:
    """A candidate x a seed x a recipe x the data: what one training needs to know."""

    baseline: Baseline
    """The full-size network that the candidate stands for."""
    candidate: Candidate
    recipe: Recipe
    data: DataCard
    seed: int
    stage: Stage = "search"

    @property
    def split(self) -> Literal["select", "test"]:
        """What it is scored on. Test images decide nothing: they confirm (METHOD, section 3)."""
        return "test" if self.stage == "confirm" else "select"

    @cached_property
    def id(self) -> str:
        """A hash of what decides the result: layers, recipe, data and seed. Never of names.

        Parts of the recipe at their default are left out, so that a new part changes no old id.
        """
        recipe = {
            one.name: getattr(self.recipe, one.name)
            for one in fields(self.recipe)
            if getattr(self.recipe, one.name) != one.default
        }
        content = {
            "architecture": self.candidate.fingerprint,
            "recipe": recipe,
            "data": self.data.digests,
            "mirrors": self.data.flip,
            "seed": self.seed,
        }
        if self.split != "select":
            content["split"] = self.split
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(b"scalectl-trial-v1\0" + text.encode()).hexdigest()[:16]

    @property
    def steps(self) -> int:
        """Batches that it is trained on, over all epochs."""
        return math.ceil(self.data.sizes["train"] / self.recipe.batch_size) * self.recipe.epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One finished epoch of a running trial."""

    trial: Trial
    epoch: int
    """From 1."""
    train_loss: float
    loss: float
    """Mean log-loss on the trial's split, in nats."""
    top1: float
    """Fraction of that split whose class is predicted first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A running trial is alive."""

    trial: Trial
    steps: int
    """How many it has taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What came of a trial. The scores are the last epoch's on the trial's split, never the best's."""

    trial: Trial
    state: State
    top1: float | None = None
    loss: float | None = None
    train_top1: float | None = None
    """On as many training images as that split has, without augmentation."""
    train_loss: float | None = None
    curve: tuple[float, ...] = ()
    """Log-loss on that split after each epoch."""
    seconds: float = 0.0
    """Wall-clock of the training, evaluation included, loading not; of several seeds that were trained
    together an equal part."""
    macs_spent: int = 0
    """Multiply-adds of all forward and backward passes; a backward pass counts as two forward ones."""
    peak_memory: int = 0
    """Bytes: of the process on a CPU, of the allocator on a GPU; of all seeds that share it."""
    error: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """What decides the last bits: versions, device, threads."""


def list_scores(records: Iterable[Record]) -> dict[str, dict[int, float]]:
    """Top-1 by the network's fingerprint and by seed, of what was trained to the end."""
    scores: dict[str, dict[int, float]] = {}
    for record in records:
        if record.state is State.DONE and record.top1 is not None:
            network = record.trial.candidate.fingerprint
            scores.setdefault(network, {})[record.trial.seed] = record.top1
    return scores


def average_scores(records: Iterable[Record]) -> dict[str, float]:
    """Mean top-1 over seeds, by the network's fingerprint."""
    return {network: fmean(scores.values()) for network, scores in list_scores(records).items()}


News = Progress | Heartbeat | Record
"""What is heard of a trial; the record comes last."""
