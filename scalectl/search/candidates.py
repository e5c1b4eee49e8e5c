"""Lay out the candidates of a search: proposed, realised at equal compute, merged, thinned out."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.factory import Baseline, Factory, cost_of
from scalectl.arch.rounding import Spread
from scalectl.arch.scaling import NAMED, Coefficients, Multipliers, Shares, scale
from scalectl.errors import ScalectlError
from scalectl.search.config import GROWTH, Design, Proxy
from scalectl.search.matching import assess, match
from scalectl.trial import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A proposed candidate that will not be trained, and why."""

    coefficients: Coefficients
    control: str
    realised_ratio: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """What becomes of a design's proposals. The first candidate is the baseline itself, phi = 0."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    merged: int
    """Number of proposals that turned out to be the same network as another."""


def shrink(baseline: Baseline, proxy: Proxy, classes: int) -> Baseline:
    """Make the proxy: the baseline with fewer channels and pixels, and finer rounding.

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
        return baseline.rebuild(
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
        channels=3,  # as all data sets give them
        dropout=0.0,
        drop_path=0.0,
    )


def enumerate_candidates(
    design: Design, baseline: Baseline, native: int, *, controls_only: bool = False
) -> Enumeration:
    """Propose candidates, realise, reject, merge and thin them out (docs/method.md, section 2).

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
    for candidate in _realise_all(proposals, design, baseline, native):
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


def make_candidate(
    coefficients: Coefficients,
    control: str,
    design: Design,
    baseline: Baseline,
    native: int,
    phi: float = 1.0,
    stages: Spread = "uniform",
) -> Candidate | Rejected:
    """Find the network of 2^phi times the baseline's MACs that is nearest to the coefficients."""
    proposals = [(control, coefficients)]
    (candidate,) = _realise(proposals, design, baseline, native, stages, phi)
    return candidate


def explain_absent(
    design: Design, baseline: Baseline, native: int, trained: Mapping[str, str]
) -> dict[str, str]:
    """Say of each control that has no network of its own why not, or which network it is.

    `trained` are the names of the search's networks by fingerprint.
    """
    absent = {}
    for control, coefficients in NAMED.items():
        if control in trained.values():
            continue
        candidate = make_candidate(coefficients, control, design, baseline, native)
        if isinstance(candidate, Rejected):
            absent[control] = f"not trained: it {candidate.reason}"
        elif candidate.fingerprint in trained:
            absent[control] = f"the same network as {trained[candidate.fingerprint]}"
        else:
            absent[control] = "not trained yet"
    return absent


def lattice(low: float, high: float, step: float, tolerance: float) -> Iterator[Coefficients]:
    """Yield all (alpha, beta, gamma) on the decimal lattice with |growth - 2| <= tolerance, inclusive.

    Counted in decimals: in floats, points on the very edge of the tolerance come and go.
    """
    start, stop, by = Decimal(str(low)), Decimal(str(high)), Decimal(str(step))
    axis = [start + by * i for i in range(int((stop - start) / by) + 1)]
    limit = Decimal(str(tolerance))
    squares = [gamma * gamma for gamma in axis]
    for alpha, beta in product(axis, repeat=2):
        area = alpha * beta**2
        first = bisect_left(squares, GROWTH - limit, key=lambda square: area * square)
        last = bisect_right(squares, GROWTH + limit, key=lambda square: area * square)
        for gamma in axis[first:last]:
            yield Coefficients(float(alpha), float(beta), float(gamma))


def simplex(degree: int) -> Iterator[Coefficients]:
    """Yield all shares that are multiples of 1 / degree (Scheffe 1958): corners, edges, interior."""
    for depth, width in product(range(degree + 1), repeat=2):
        if depth + width <= degree:
            rest = degree - depth - width
            yield Coefficients.from_shares(Shares(depth / degree, width / degree, rest / degree))


def star(degree: int) -> Iterator[Coefficients]:
    """Yield points from the centre, in `degree` steps, to each corner and mid-edge of the triangle.

    Even steps of the shares are exponential ones of the multipliers, as in the star sweep of
    Alabdulmohsin et al. 2023 (SoViT).
    """
    corners = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    middles = [tuple((1 - share) / 2 for share in corner) for corner in corners]
    yield NAMED["dwr"]
    for end, step in product([*corners, *middles], range(1, degree + 1)):
        point = (((degree - step) / 3 + step * share) / degree for share in end)
        yield Coefficients.from_shares(Shares(*point))


def _propose(design: Design) -> Iterator[Coefficients]:
    if design.kind == "lattice":
        return lattice(design.low, design.high, design.step, design.tolerance)
    return star(design.degree) if design.kind == "star" else simplex(design.degree)


def _realise_all(
    proposals: Sequence[tuple[str, Coefficients]], design: Design, baseline: Baseline, native: int
) -> Iterator[Candidate | Rejected]:
    """Realise the proposals with each spread of blocks; controls are those of the first."""
    for number, stages in enumerate(dict.fromkeys(design.stages)):
        named = [("" if number else control, request) for control, request in proposals]
        yield from _realise(named, design, baseline, native, stages)


def _realise(
    proposals: Sequence[tuple[str, Coefficients]],
    design: Design,
    baseline: Baseline,
    native: int,
    stages: Spread,
    phi: float = 1.0,
) -> Iterator[Candidate | Rejected]:
    """Find the networks of (control or "", coefficients) pairs, and reject those that break a rule."""
    rounding = replace(baseline.rounding, rule=design.rounding, stages=stages)
    requests = [coefficients for _, coefficients in proposals]
    if design.budget == "nominal":
        sizes = [scale(baseline, request.at(phi), rounding) for request in requests]
        matches = [assess(baseline, size) for size in sizes]
    else:
        matches = match(requests, baseline, rounding, phi, GROWTH**phi, design.max_deviation)
    for (control, coefficients), size in zip(proposals, matches, strict=True):
        candidate = Candidate(
            control=control,
            coefficients=coefficients,
            multipliers=Multipliers(
                size.network.depth / baseline.depth,
                size.width,
                size.network.resolution / baseline.resolution,
            ),
            shares=size.shares,
            nominal_ratio=coefficients.growth**phi,
            realised_ratio=size.ratio,
            architecture=size.network,
            cost=size.cost,
            phi=phi,
        )
        reason = _reason_against(candidate, design, native)
        if reason:
            yield Rejected(
                coefficients=coefficients,
                control=control,
                realised_ratio=size.ratio,
                reason=reason,
            )
        else:
            yield candidate


def _unscaled(baseline: Baseline) -> Candidate:
    return Candidate(
        control="baseline",
        coefficients=NAMED["dwr"],
        multipliers=Multipliers(),
        shares=None,
        nominal_ratio=1.0,
        realised_ratio=1.0,
        architecture=baseline,
        cost=cost_of(baseline),
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
    if candidate.cost.macs >= 2**63:
        return "needs more multiply-adds than a record can hold"
    target = GROWTH**candidate.phi
    deviation = abs(math.log2(candidate.realised_ratio / target))
    if design.budget == "realised" and deviation > design.max_deviation:
        return f"costs {candidate.realised_ratio:.3f}x instead of {target:g}x after rounding"
    return ""


def spread(candidates: Sequence[Candidate], limit: int) -> Sequence[Candidate]:
    """Choose up to `limit` candidates that fill the triangle; 0 means all.

    The controls come first, then always the candidate whose shares are farthest from all chosen so
    far: a higher limit chooses what a lower one does. The baseline, which has no shares, is no choice.
    """
    if not limit or len(candidates) <= limit:
        return candidates
    chosen = [candidate for candidate in candidates if candidate.control]
    rest = [candidate for candidate in candidates if not candidate.control]
    while len(chosen) < limit:
        farthest = max(rest, key=lambda new: min(_measure_distance(new, old) for old in chosen))
        rest.remove(farthest)
        chosen.append(farthest)
    return chosen


def _measure_distance(first: Candidate, second: Candidate) -> float:
    assert first.shares is not None
    assert second.shares is not None
    return first.shares.distance(second.shares)


def _limit_downsampling(architecture: Architecture, limit: int) -> Iterator[Stage]:
    excess = architecture.downsampling / limit
    for stage in architecture.stages:
        if excess > 1 and stage.stride == 2:
            excess /= 2
            yield replace(stage, stride=1)
        else:
            yield stage
