"""The values that all packages share: a candidate becomes a trial, and a trial a record."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from scalectl.arch.cost import Cost
from scalectl.arch.factory import Baseline, Factory, cost_of
from scalectl.arch.rounding import Spread, round_to_multiple
from scalectl.arch.scaling import Coefficients, Multipliers, Shares


class State(StrEnum):
    """How a trial ended. Only a done trial is ever ranked."""

    DONE = "done"
    DIVERGED = "diverged"
    """The loss or a metric stopped being finite."""
    ERROR = "error"
    """The training raised an exception."""
    OUT_OF_MEMORY = "out_of_memory"
    """It asked for more memory than there is, or than it was allowed."""
    STALLED = "stalled"
    """It took no step for too long, and was stopped."""
    KILLED = "killed"
    """The process of the trial died: by a signal, or by leaving on its own."""

    @property
    def is_final(self) -> bool:
        """Whether training the same again could not end otherwise."""
        return self in (State.DONE, State.DIVERGED)


Purpose = Literal["search", "nas", "confirm", "fidelity", "rung"]
"""What a trial is for: to choose coefficients, or an architecture; to confirm the choice on fresh seeds and
test images; to see whether longer trainings choose the same; or to see, by a shorter one, whether a
candidate is worth a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A network that may be trained: a size of the baseline, as a rule at phi = 1."""

    control: str
    """The name under which it is always in the search ("depth", "dwr", ...), or ""."""
    coefficients: Coefficients
    """What was asked for, before any rounding."""
    multipliers: Multipliers
    """What rounding made of it: blocks, MAC-equivalent width and pixels, over the baseline's."""
    shares: Shares | None
    """How the counted MACs that it adds are divided. None for the baseline, which adds none."""
    nominal_ratio: float
    """Compute over the baseline's by the formula, for the coefficients as requested."""
    realised_ratio: float
    """Compute over the baseline's, counted on the rounded network."""
    architecture: Baseline
    cost: Cost
    phi: float = 1.0
    """The compute is to be 2^phi times the baseline's; 0 for the baseline."""

    @property
    def stages(self) -> Spread:
        """How the blocks that it adds are spread over the stages."""
        return self.architecture.rounding.stages

    @property
    def name(self) -> str:
        """The control's name, or else the coefficients; "late" where later stages have all added blocks."""
        late = ", late" if self.stages == "late" != self.control and self.shares else ""
        return f"{self.control or self.coefficients}{late}"

    @property
    def fingerprint(self) -> str:
        """Equal for candidates that are the same network."""
        return self.architecture.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How every candidate is trained, briefly; the last epoch is scored (docs/method.md, section 3)."""

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
    """Decay, per step, of a moving average of the weights, which is then scored; 0 means none."""
    orthogonal: bool = False
    """Begin with orthogonal kernels, so that narrow layers lose nothing by an unlucky draw."""
    progressive: bool = False
    """Train on small images first, from half the side to the whole one in equal steps, an epoch each; shifts
    grow with them (Tan & Le 2021, section 4). The number of images stays, and scores are of whole ones."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether a GPU trains networks as torch.compile makes them; auto: where that takes a small part of
    the training."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which images are taken: how many of each split at most, where 0 means all there are."""

    train: int
    select: int
    test: int
    skip_bad_images: bool = False
    """Whether images that cannot be read are left out; else they are an error."""
    skip_small_images: bool = False
    """Whether images smaller than the size that nearly all have are left out; else they are scaled up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAccount:
    """What a data set holds, and what of it is left out: told before anything is trained."""

    images: dict[str, dict[str, int]]
    """Split -> class -> number of images that are used."""
    left_out: dict[str, int]
    """Reason -> number of files or images that are not used."""
    smallest: int
    """Pixels of the shortest side of the smallest image."""
    usual: int
    """Median of the images' shortest sides, in pixels."""
    channels: int
    """1 where all images are grey, else 3."""
    duplicates: int
    """Images that are used, and whose content is in the same split once more."""
    majority: float
    """Top-1 on the select split of always answering its most frequent class."""
    standard_error: float
    """Largest standard error of a network's top-1 on the select split, from its number of images."""
    warnings: tuple[str, ...] = ()
    """Sentences about what may spoil a search."""

    @property
    def is_unequal(self) -> bool:
        """Whether the largest class of the select split is larger than chance would make it."""
        equal, total = 1 / len(self.images["select"]), sum(self.images["select"].values())
        chance = math.sqrt(equal * (1 - equal) / total)
        return self.majority >= max(1.5 * equal, equal + 3 * chance)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """A description of the data, by which one can tell whether two trials saw the same."""

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
    account: DataAccount | None = None
    """None in stores of versions that did not write it."""


@dataclass(frozen=True, kw_only=True)  # no slots: it keeps its id
class Trial:
    """One training: a candidate with a seed, a recipe and data."""

    baseline: Baseline
    """The full-size network that the candidate stands for."""
    candidate: Candidate
    recipe: Recipe
    data: DataCard
    seed: int
    purpose: Purpose = "search"

    @property
    def split(self) -> Literal["select", "test"]:
        """The split that it is scored on: test images decide nothing, they confirm."""
        return "test" if self.purpose == "confirm" else "select"

    @property
    def splits(self) -> tuple[Literal["train", "select", "test"], ...]:
        """The split that it is trained on, and the one that it is scored on."""
        return "train", self.split

    @cached_property
    def id(self) -> str:
        """Sixteen hex digits: a hash of all that decides the result (layers, recipe, data, seed).

        Parts of the recipe at their default are left out, so that a new part changes no old id.
        """
        recipe = {
            part.name: getattr(self.recipe, part.name)
            for part in fields(self.recipe)
            if getattr(self.recipe, part.name) != part.default
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

    def size_at(self, epoch: int) -> int:
        """Return the side, in pixels, of the images of an epoch, which are counted from 1."""
        whole, last = self.candidate.architecture.resolution, self.recipe.epochs
        if not self.recipe.progressive or epoch >= last:
            return whole
        return round_to_multiple(whole * (1 + (epoch - 1) / (last - 1)) / 2, 2)

    def count_macs(self, epochs: int) -> int:
        """Count the multiply-adds of so many epochs' training; a backward pass counts as two forward ones."""
        network = self.candidate.architecture
        sizes = [self.size_at(epoch) for epoch in range(1, epochs + 1)]
        macs = (
            self.candidate.cost.macs
            if size == network.resolution
            else cost_of(replace(network, resolution=size)).macs
            for size in sizes
        )
        return 3 * self.data.sizes["train"] * sum(macs)

    @property
    def fits_graphs(self) -> bool:
        """Whether CUDA graphs can hold its steps: images of one size, and no network of a user's own."""
        return not (self.recipe.progressive or isinstance(self.candidate.architecture, Factory))

    @property
    def steps(self) -> int:
        """Number of batches that it is trained on, over all epochs."""
        return math.ceil(self.data.sizes["train"] / self.recipe.batch_size) * self.recipe.epochs


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A running trial has finished an epoch."""

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
    """A running trial has taken a step."""

    trial: Trial
    steps: int
    """How many it has taken so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a trial ended. The scores are those of the last epoch on the trial's split."""

    trial: Trial
    state: State
    top1: float | None = None
    balanced_top1: float | None = None
    """Mean over classes of the fraction that is predicted first; None in records of older versions."""
    loss: float | None = None
    train_top1: float | None = None
    """On as many training images as that split has, without augmentation."""
    train_loss: float | None = None
    curve: tuple[float, ...] = ()
    """Log-loss on that split after each epoch."""
    top1_curve: tuple[float, ...] = ()
    """Top-1 on that split after each epoch; () in stores of versions that did not write it."""
    train_curve: tuple[float, ...] = ()
    """Mean loss of each epoch's steps, augmented and smoothed as trained; () as above."""
    seconds: float = 0.0
    """Wall-clock of training and evaluation, without loading; an equal part of it where several seeds
    were trained together."""
    macs_spent: int = 0
    """Multiply-adds of all forward and backward passes; a backward pass counts as two forward ones."""
    peak_memory: int = 0
    """Bytes of the process on a CPU, of the allocator on a GPU, of all seeds that share it."""
    error: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """What decides the last bits: versions, device, threads."""


def list_environments(records: Iterable[Record]) -> tuple[dict[str, str], ...]:
    """List the different numeric environments of records; several may mean different last bits."""
    environments = {tuple(sorted(record.environment.items())) for record in records}
    return tuple(dict(items) for items in sorted(environments) if items)


def list_scores(
    records: Iterable[Record], score: Callable[[Record], float | None] = lambda record: record.top1
) -> dict[str, dict[int, float]]:
    """Return scores, top-1 if not told otherwise, by the network's fingerprint and by seed.

    Only of trials that are done, and have one.
    """
    scores: dict[str, dict[int, float]] = {}
    for record in records:
        if record.state is State.DONE and (value := score(record)) is not None:
            scores.setdefault(record.trial.candidate.fingerprint, {})[record.trial.seed] = value
    return scores


def average_scores(records: Iterable[Record]) -> dict[str, float]:
    """Return the mean top-1 over seeds, by the network's fingerprint."""
    return {network: fmean(scores.values()) for network, scores in list_scores(records).items()}


News = Progress | Heartbeat | Record
"""What a trial reports while it runs; the record comes last."""
