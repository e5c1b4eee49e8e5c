"""A search as the user writes it, and the candidates it enumerates."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from itertools import product
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from scalectl.architecture import Architecture, RoundingRule, Stage
from scalectl.cost import measure
from scalectl.errors import ScalectlError
from scalectl.factory import Baseline, Factory, resize
from scalectl.matching import assess, match
from scalectl.scaling import NAMED, Coefficients, Multipliers, Shares, scale
from scalectl.trial import Candidate, Recipe

GROWTH = 2
"""What one unit of phi multiplies compute by (Tan & Le 2019, equation 3)."""

FRESH = 1000
"""The first seed of confirmations; searches have lower ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Which (alpha, beta, gamma) are tried, and what counts as equal compute."""

    kind: Literal["simplex", "lattice", "star"] = "simplex"
    """simplex: shares in steps of 1 / degree. lattice: alpha, beta, gamma in decimal steps.
    star: rays from the balanced point to the corners and mid-edges, in `degree` steps each."""
    degree: Annotated[int, Ge(1), Le(50)] = 3
    low: Annotated[float, Ge(1)] = 1.0
    high: Annotated[float, Gt(1), Le(4)] = 2.0
    step: Annotated[float, Ge(0.005)] = 0.05
    tolerance: Annotated[float, Ge(0), Le(1)] = 0.1
    """Of the lattice: |alpha * beta^2 * gamma^2 - 2| <= tolerance, inclusive."""
    budget: Literal["realised", "nominal"] = "realised"
    """realised: counted MACs are held to the target. nominal: the formula alone, as in the paper."""
    max_deviation: Annotated[float, Gt(0), Le(1)] = 0.07
    """Of the realised budget: |log2(MACs / MACs of the baseline) - phi|; 0.07 is 5 %."""
    rounding: RoundingRule = "nearest"
    max_candidates: Annotated[int, Ge(0)] = 0
    """With more, a space-filling subset that keeps the controls; 0 means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy(Recipe):
    """The baseline made small, the data it is trained on, and the brief recipe."""

    data: str = "glyphs"
    """glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME."""
    train_images: Annotated[int, Ge(0)] = 2000
    """0 means all there are."""
    select_images: Annotated[int, Ge(0)] = 1500
    test_images: Annotated[int, Ge(0)] = 1500
    width: Annotated[float, Gt(0), Le(4)] = 0.2
    """Of the baseline's channels."""
    width_divisor: Annotated[int, Ge(4)] = 4
    """A multiple of 4: others make squeeze-and-excitation widths depend on the library."""
    resolution: Annotated[int, Ge(8)] = 36
    """In pixels, before scaling."""
    downsampling: Annotated[int, Ge(2)] = 16
    """Image pixels per pixel of the last map; the earliest strides beyond it are dropped."""
    allow_upsampling: bool = False
    """Train above the native size of the images, where pixels carry no information."""
    epochs: Annotated[int, Ge(1)] = 7
    batch_size: Annotated[int, Ge(2)] = 64
    learning_rate: Annotated[float, Gt(0)] = 0.015
    weight_decay: Annotated[float, Ge(0)] = 0.01
    gradient_clip: Annotated[float, Gt(0)] = 1.0
    label_smoothing: Annotated[float, Ge(0), Le(0.5)] = 0.0
    shift: Annotated[float, Ge(0), Le(0.5)] = 0.05
    flip: bool = True

    @property
    def recipe(self) -> Recipe:
        """The part that decides how a given network is trained on given data."""
        return Recipe(**{name: getattr(self, name) for name in (f.name for f in fields(Recipe))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Who decides what is trained next (`strategies`)."""

    kind: Literal["all", "optuna", "halving"] = "all"
    """all: every candidate with every seed. optuna: a sampler proposes points of the triangle.
    halving: brief trainings drop candidates before the others are trained in full."""
    prune: bool = False
    """Of all: after each seed, what is clearly worse than the best gets no further ones."""
    sampler: Literal["gp", "tpe"] = "gp"
    """Of optuna, as are points and batch: its GPSampler or its TPESampler."""
    points: Annotated[int, Ge(1), Le(1000)] = 12
    """Networks proposed in all, beside the controls."""
    batch: Annotated[int, Ge(1), Le(100)] = 4
    """Networks proposed at once."""
    reduction: Annotated[int, Ge(2), Le(10)] = 2
    """Of halving: a rung has this many times the epochs of the one before, and keeps 1 of this many."""

    @property
    def is_adaptive(self) -> bool:
        """Whether what is trained depends on results."""
        return self.kind != "all" or self.prune


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What the winner is chosen by, of all candidates that cannot be told from the best."""

    delta: Annotated[float, Ge(0), Lt(1)] = 0.002
    """Differences up to this, in top-1 as a fraction, do not matter."""
    by: Literal["activations", "latency", "closeness"] = "activations"
    """The fewest activations, the lowest latency measured on this machine, or the closest to dwr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Fresh seeds and the untouched test images, for what was chosen and its controls."""

    seeds: Annotated[int, Ge(0), Le(1000)] = 0
    """Trainings of each; 0 means none. Fewer than 6 can show nothing, 8 is a good number."""
    phis: tuple[Annotated[float, Gt(0), Le(4)], ...] = (1.0,)
    """At these sizes; those above 1 show whether the coefficients may be extrapolated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Longer:
    """Trainings of some candidates that take longer, to see whether the brief ones choose the same."""

    seeds: Annotated[int, Ge(0), Le(1000)] = 0
    """Trainings of each; 0 means none."""
    factor: Annotated[int, Ge(2), Le(100)] = 3
    """Times the epochs of the search."""
    points: Annotated[int, Ge(8)] = 15
    """Candidates at most, spread over the triangle."""


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
class Resources:
    """How trials are run: how many seeds of a network together, and what they ask of a cluster."""

    seeds_per_step: Annotated[int, Ge(1), Le(FRESH)] = 1
    """Seeds of one network that take each step of training together, which spares calls: for GPUs above
    all. Results are those of seeds alone, up to rounding."""
    cpus: Annotated[float, Gt(0)] = 1.0
    """Cores; a trial computes on one. Slurm gives whole ones."""
    gpus: Annotated[float, Ge(0)] = 0.0
    """0.25 puts four trials on one GPU of a Ray cluster; Slurm gives whole ones."""
    minutes: Annotated[int, Ge(1)] = 60
    """Of a Slurm job; a trial that takes longer goes on in the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A search: the baseline, the candidates, the proxy, the seeds."""

    baseline: str = "efficientnet_b0"
    """A name from `scalectl baselines`, or a file that scalectl emitted."""
    seeds: Annotated[int, Ge(1), Le(FRESH)] = 2
    """Each seed is a block: it trains every candidate once, in random order."""
    planned_for: Annotated[float, Ge(0)] = 0.0
    """The --time-budget, in seconds, that `seeds` and `max_candidates` were chosen for; 0 without."""
    design: Design = field(default_factory=Design)
    proxy: Proxy = field(default_factory=Proxy)
    strategy: Strategy = field(default_factory=Strategy)
    select: Preference = field(default_factory=Preference)
    confirm: Confirm = field(default_factory=Confirm)
    fidelity: Longer = field(default_factory=Longer)
    watch: Watch = field(default_factory=Watch)
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A candidate that will not be trained, and why."""

    coefficients: Coefficients
    control: str
    realised_ratio: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """All that a design proposes, sorted out. The first candidate is the baseline itself, phi = 0."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    merged: int
    """Proposals that turned out to be the same network as another one."""


def shrink(baseline: Baseline, proxy: Proxy, classes: int) -> Baseline:
    """The baseline with the proxy's channels, resolution and classes, and finer rounding.

    Blocks, kernels and expansions stay, so that depth, width and resolution can move as they do in
    the real network. Dropout and drop-path go: brief trainings underfit. A factory is called with
    a smaller width and resolution, and keeps its own downsampling.
    """
    rounding = replace(
        baseline.rounding,
        rule="nearest",
        width_divisor=proxy.width_divisor,
        resolution_divisor=2,
        head_minimum=0,
    )
    if isinstance(baseline, Factory):
        return resize(
            baseline,
            width=baseline.width * proxy.width,
            resolution=proxy.resolution,
            classes=classes,
            rounding=rounding,
        )
    # What a family keeps fixed is made small too, and then stays.
    small = scale(baseline, Multipliers(width=proxy.width), replace(rounding, fixed=()))
    return replace(
        small,
        rounding=rounding,
        stages=tuple(_limit_downsampling(small, proxy.downsampling)),
        resolution=proxy.resolution,
        classes=classes,
        dropout=0.0,
        drop_path=0.0,
    )


def enumerate_candidates(
    design: Design, baseline: Baseline, native: int, *, controls_only: bool = False
) -> Enumeration:
    """Propose, realise, reject, merge, and thin out (METHOD: equal compute is really equal).

    `native` is the largest resolution that the data supports, in pixels. Raises `ScalectlError`
    when nothing but the baseline is left.
    """
    kept: dict[str, Candidate] = {}
    rejected: list[Rejected] = []
    merged = 0
    # The controls come first, so that a merged network keeps its control's name.
    proposals = [*NAMED.items()]
    if not controls_only:
        proposals += (("", coefficients) for coefficients in _propose(design))
    for candidate in _realise(proposals, design, baseline, native):
        if isinstance(candidate, Rejected):
            rejected.append(candidate)
        elif candidate.fingerprint in kept:
            merged += 1
        else:
            kept[candidate.fingerprint] = candidate
    if not kept:
        raise ScalectlError(
            f"No candidate is left: {len(rejected)} were rejected, the first one because it "
            f"{rejected[0].reason}.",
            "Raise design.tolerance or design.max_deviation, or lower design.step.",
        )
    candidates = spread(list(kept.values()), design.max_candidates)
    return Enumeration(
        candidates=(_unscaled(baseline), *candidates), rejected=tuple(rejected), merged=merged
    )


def realise(
    coefficients: Coefficients,
    control: str,
    design: Design,
    baseline: Baseline,
    native: int,
    phi: float = 1.0,
) -> Candidate | Rejected:
    """The network of 2^phi times the baseline's MACs that is nearest to the coefficients."""
    (found,) = _realise([(control, coefficients)], design, baseline, native, phi)
    return found


def lattice(low: float, high: float, step: float, tolerance: float) -> Iterator[Coefficients]:
    """All (alpha, beta, gamma) on the decimal lattice with |growth - 2| <= tolerance, inclusive.

    Counted in decimals: in floats, points on the very edge of the tolerance come and go.
    """
    start, stop, by = Decimal(str(low)), Decimal(str(high)), Decimal(str(step))
    axis = [start + by * i for i in range(int((stop - start) / by) + 1)]
    limit = Decimal(str(tolerance))
    squares = [one * one for one in axis]
    for alpha, beta in product(axis, repeat=2):
        area = alpha * beta**2
        first = bisect_left(squares, GROWTH - limit, key=lambda square: area * square)
        last = bisect_right(squares, GROWTH + limit, key=lambda square: area * square)
        for gamma in axis[first:last]:
            yield Coefficients(float(alpha), float(beta), float(gamma))


def simplex(degree: int) -> Iterator[Coefficients]:
    """All shares that are multiples of 1 / degree (Scheffe 1958): corners, edges, interior."""
    for depth, width in product(range(degree + 1), repeat=2):
        if depth + width <= degree:
            rest = degree - depth - width
            yield Coefficients.from_shares(Shares(depth / degree, width / degree, rest / degree))


def star(degree: int) -> Iterator[Coefficients]:
    """From the centre in `degree` steps to each corner and mid-edge of the triangle.

    Even steps of the shares are exponential ones of the multipliers, as in the star sweep of
    Alabdulmohsin et al. 2023 (SoViT).
    """
    corners = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    middles = [tuple((1 - corner) / 2 for corner in one) for one in corners]
    yield NAMED["dwr"]
    for end, step in product([*corners, *middles], range(1, degree + 1)):
        point = (((degree - step) / 3 + step * share) / degree for share in end)
        yield Coefficients.from_shares(Shares(*point))


def _propose(design: Design) -> Iterator[Coefficients]:
    if design.kind == "lattice":
        return lattice(design.low, design.high, design.step, design.tolerance)
    return star(design.degree) if design.kind == "star" else simplex(design.degree)


def _realise(
    proposals: Sequence[tuple[str, Coefficients]],
    design: Design,
    baseline: Baseline,
    native: int,
    phi: float = 1.0,
) -> Iterator[Candidate | Rejected]:
    """The same for many, each with its control or ""."""
    for candidate in _match(proposals, design, baseline, phi):
        reason = _reason_against(candidate, design, native)
        if reason:
            yield Rejected(
                coefficients=candidate.coefficients,
                control=candidate.control,
                realised_ratio=candidate.realised_ratio,
                reason=reason,
            )
        else:
            yield candidate


def _match(
    proposals: Sequence[tuple[str, Coefficients]], design: Design, baseline: Baseline, phi: float
) -> Iterator[Candidate]:
    rounding = replace(baseline.rounding, rule=design.rounding)
    requests = [coefficients for _, coefficients in proposals]
    if design.budget == "nominal":
        sizes = [scale(baseline, one.at(phi), rounding) for one in requests]
        fits = assess(baseline, sizes)
    else:
        fits = match(requests, baseline, rounding, phi, GROWTH**phi, design.max_deviation)
    for (control, coefficients), fit in zip(proposals, fits, strict=True):
        yield Candidate(
            control=control,
            coefficients=coefficients,
            multipliers=Multipliers(
                fit.network.depth / baseline.depth,
                fit.width,
                fit.network.resolution / baseline.resolution,
            ),
            shares=fit.shares,
            nominal_ratio=coefficients.growth**phi,
            realised_ratio=fit.ratio,
            architecture=fit.network,
            cost=fit.cost,
            phi=phi,
        )


def _unscaled(baseline: Baseline) -> Candidate:
    return Candidate(
        control="baseline",
        coefficients=NAMED["dwr"],
        multipliers=Multipliers(),
        shares=None,
        nominal_ratio=1.0,
        realised_ratio=1.0,
        architecture=baseline,
        cost=measure(baseline),
        phi=0.0,
    )


def _reason_against(candidate: Candidate, design: Design, native: int) -> str:
    if candidate.shares is None:
        return "is the baseline again after rounding"
    if candidate.architecture.resolution > native:
        return (
            f"needs {candidate.architecture.resolution} px, but the images carry no information "
            f"above {native} px"
        )
    target = GROWTH**candidate.phi
    deviation = abs(math.log2(candidate.realised_ratio / target))
    if design.budget == "realised" and deviation > design.max_deviation:
        return f"costs {candidate.realised_ratio:.3f}x instead of {target:g}x after rounding"
    return ""


def spread(candidates: Sequence[Candidate], limit: int) -> Sequence[Candidate]:
    """The controls, then always the candidate whose shares are farthest from all chosen so far.

    What a lower limit chooses, a higher one does too; 0 means all. The baseline has no shares.
    """
    if not limit or len(candidates) <= limit:
        return candidates
    chosen = [candidate for candidate in candidates if candidate.control]
    rest = [candidate for candidate in candidates if not candidate.control]
    while len(chosen) < limit:
        farthest = max(rest, key=lambda one: min(_apart(one, other) for other in chosen))
        rest.remove(farthest)
        chosen.append(farthest)
    return chosen


def _apart(one: Candidate, other: Candidate) -> float:
    assert one.shares is not None
    assert other.shares is not None
    return one.shares.distance(other.shares)


def _limit_downsampling(architecture: Architecture, limit: int) -> Iterator[Stage]:
    excess = architecture.downsampling / limit
    for stage in architecture.stages:
        if excess > 1 and stage.stride == 2:
            excess /= 2
            yield replace(stage, stride=1)
        else:
            yield stage
