"""Read and write grid files: a search as the user describes it."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from annotated_types import Ge, Gt, Le, MinLen

from scalectl.analysis.preference import Preference
from scalectl.arch.rounding import RoundingRule, Spread
from scalectl.errors import ScalectlError
from scalectl.executors import Resources
from scalectl.parsing import read_table, refuse_unknown_keys, validate
from scalectl.trial import Recipe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

GROWTH = 2
"""Factor by which one unit of phi multiplies compute (Tan & Le 2019, equation 3)."""


FRESH = 1000
"""So much higher than a search's first seed is the first of its confirmation; most seeds of a search."""
FIRST_SEEDS = 2
"""Seeds of every network in an adaptive search: fewer do not show how much trainings differ by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Which (alpha, beta, gamma) are tried, and what counts as equal compute."""

    kind: Literal["simplex", "lattice", "star"] = "simplex"
    """simplex: shares in steps of 1 / degree. lattice: alpha, beta, gamma in decimal steps.
    star: rays from the balanced point to the corners and mid-edges, in `degree` steps each."""
    degree: Annotated[int, Ge(1), Le(50)] = 2
    low: Annotated[float, Ge(1)] = 1.0
    high: Annotated[float, Gt(1), Le(4)] = 2.0
    step: Annotated[float, Ge(0.005)] = 0.05
    tolerance: Annotated[float, Ge(0), Le(1)] = 0.1
    """The lattice keeps |alpha * beta^2 * gamma^2 - 2| <= tolerance, inclusive."""
    budget: Literal["realised", "nominal"] = "realised"
    """realised: counted MACs are held to the target. nominal: the formula alone, as in the paper."""
    max_deviation: Annotated[float, Gt(0), Le(1)] = 0.07
    """Largest |log2(MACs / MACs of the baseline) - phi| of the realised budget; 0.07 is 5 %."""
    rounding: RoundingRule = "nearest"
    stages: Annotated[tuple[Spread, ...], MinLen(1)] = ("uniform",)
    """How added blocks are spread over the stages; with several, every candidate is tried with each."""
    max_candidates: Annotated[int, Ge(0)] = 0
    """Most candidates: of more, a space-filling subset that keeps the controls; 0 means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy(Recipe):
    """The baseline made small, the data it is trained on, and the brief recipe."""

    data: str = "glyphs"
    """glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME."""
    train_images: Annotated[int, Ge(0)] = 3000
    """Most images of the training split; 0 means all there are, as for the other splits."""
    select_images: Annotated[int, Ge(0)] = 1500
    test_images: Annotated[int, Ge(0)] = 1500
    skip_bad_images: bool = False
    """Whether images that cannot be read are left out, and counted; else they are an error."""
    skip_small_images: bool = False
    """Whether images smaller than 95 % of them are left out, and counted; else they are scaled up."""
    width: Annotated[float, Gt(0), Le(4)] = 0.2
    """Multiplier of the baseline's channels."""
    width_divisor: Annotated[int, Ge(4)] = 4
    """A multiple of 4: others make squeeze-and-excitation widths depend on the library."""
    resolution: Annotated[int, Ge(8)] = 36
    """Pixels of the side of an image, before scaling."""
    downsampling: Annotated[int, Ge(2)] = 16
    """Image pixels per pixel of the last map; the earliest strides beyond it are dropped."""
    allow_upsampling: bool = False
    """Whether to train above the native size of the images, where pixels carry no information."""
    epochs: Annotated[int, Ge(1)] = 2
    batch_size: Annotated[int, Ge(2)] = 32
    learning_rate: Annotated[float, Gt(0)] = 0.015
    weight_decay: Annotated[float, Ge(0)] = 0.01
    gradient_clip: Annotated[float, Gt(0)] = 1.0
    label_smoothing: Annotated[float, Ge(0), Le(0.5)] = 0.1
    shift: Annotated[float, Ge(0), Le(0.5)] = 0.0
    flip: bool = True
    orthogonal: bool = True

    @property
    def recipe(self) -> Recipe:
        """The part that decides how a given network is trained on given data."""
        return Recipe(**{field.name: getattr(self, field.name) for field in fields(Recipe)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What decides which trials are trained next."""

    kind: Literal["adaptive", "all", "optuna"] = "adaptive"
    """adaptive: every candidate with two seeds, and then those that may be the best with further ones,
    until the choice is sure. all: every candidate with every seed. optuna: a sampler proposes points
    of the triangle."""
    sampler: Literal["gp", "tpe"] = "gp"
    """With kind optuna, as are points: its GPSampler or its TPESampler."""
    points: Annotated[int, Ge(1), Le(1000)] = 12
    """Networks proposed in all, beside the controls."""
    batch: Annotated[int, Ge(1), Le(100)] = 4
    """Networks chosen at once, by what is known by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """The confirmation of the choice: fresh seeds, and test images that decided nothing."""

    seeds: Annotated[int, Ge(0), Le(1000)] = 0
    """Trainings of each network; 0 means none, 8 is a good number."""
    reference: Literal["choice", "dwr", "paper", "depth", "width", "resolution"] = "choice"
    """What the others are compared with: the choice, or a control that is written down before."""
    phis: tuple[Annotated[float, Gt(0), Le(4)], ...] = (1.0,)
    """Sizes to confirm at; those above 1 show whether the coefficients may be extrapolated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Longer:
    """Longer trainings of some candidates, which show whether brief ones choose the same."""

    seeds: Annotated[int, Ge(0), Le(1000)] = 0
    """Trainings of each network; 0 means none."""
    factor: Annotated[int, Ge(2), Le(100)] = 3
    """Times the epochs of the search."""
    points: Annotated[int, Ge(8)] = 15
    """Most candidates, spread over the triangle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What stops a trial that goes wrong, and how often it is tried again."""

    stall: Annotated[float, Gt(0)] = 600.0
    """Seconds without a training step after which a trial is stopped."""
    memory: Annotated[float, Ge(0)] = 0.0
    """GiB that one trial may take; 0 means an equal part of the machine's."""
    retries: Annotated[int, Ge(0)] = 2
    """Further tries of a trial that failed, one each time the command is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A search, as a grid file describes it."""

    FILE: ClassVar[str] = "grid.toml"
    """Its name in a run's folder."""
    baseline: str = "efficientnet_b0"
    """A name from `scalectl baselines`, a file, timm's block strings, or package.module:factory."""
    seeds: Annotated[int, Ge(1), Le(FRESH)] = 4
    """Trainings of each candidate, on average: the most that an adaptive search spends. Each of the
    first seeds is a block: it trains every candidate once, in random order."""
    first_seed: Annotated[int, Ge(0), Le(2**31)] = 0
    """The search anew, with other trainings: 100 is a repetition that shares none with the first."""
    planned_for: Annotated[float, Ge(0)] = 0.0
    """Seconds of the --time-budget that `seeds` and `max_candidates` were chosen for; 0 for none."""
    design: Design = field(default_factory=Design)
    proxy: Proxy = field(default_factory=Proxy)
    strategy: Strategy = field(default_factory=Strategy)
    select: Preference = field(default_factory=Preference)
    confirm: Confirm = field(default_factory=Confirm)
    fidelity: Longer = field(default_factory=Longer)
    watch: Watch = field(default_factory=Watch)
    resources: Resources = field(default_factory=Resources)

    def list_seeds(self, count: int) -> range:
        """List so many seeds of this search."""
        return range(self.first_seed, self.first_seed + count)

    @property
    def later_seed(self) -> int:
        """The first seed that not every network of an adaptive search is trained with."""
        return self.first_seed + FIRST_SEEDS

    @property
    def is_adaptive(self) -> bool:
        """Whether what is trained depends on results."""
        kind = self.strategy.kind
        return kind == "optuna" or (kind == "adaptive" and self.seeds > FIRST_SEEDS)


_RETIRED = (("resources", "seeds_per_step"), ("strategy", "prune"), ("strategy", "reduction"))
"""Keys of older grid files that decide nothing any more, and are passed over."""


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read a grid file, or the built-in default, with KEY=VALUE overrides such as "proxy.epochs=3".

    Raises `ScalectlError` that names the file, the key and what is allowed.
    """
    return load_settings(Config, path, overrides)


def load_settings(kind: type[T], path: Path | None, overrides: Sequence[str] = ()) -> T:
    """Read the file of a search of that kind, as `load_config` does."""
    content = read_table(path) if path else {}
    for override in overrides:
        _set(content, override)
    if isinstance(content.get("strategy"), dict) and content["strategy"].get("prune"):
        raise ScalectlError(
            "strategy.prune is no more.",
            'strategy.kind = "adaptive" gives further seeds to what may be the best alone.',
        )
    for table, key in _RETIRED:
        if isinstance(content.get(table), dict):
            content[table].pop(key, None)
    refuse_unknown_keys(content, kind(), str(path) if path else "--set")
    return validate(kind, content, str(path) if path else "--set")


def dump_config(config: "DataclassInstance") -> str:
    """Write TOML that `load_config` reads back as the same config."""
    import tomli_w

    return tomli_w.dumps(asdict(config))


def _set(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not (key and equals):
        raise ScalectlError(f"--set {override} is not KEY=VALUE.", "Such as proxy.epochs=3.")
    *tables, name = key.strip().split(".")
    for table in tables:
        content = content.setdefault(table, {})
        if not isinstance(content, dict):
            raise ScalectlError(f"--set {override}: {table} is not a table.", "See grids/.")
    try:
        content[name] = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        content[name] = text
