"""How well the selection chooses where the truth is known: python benchmarks/simulation.py.

Records are invented from a surface of the shares, a slope in compute, and noise; everything after
that is the real thing. 54 trainings: 18 networks x 3 seeds. Top-1 in points throughout.
"""

import argparse
import multiprocessing.pool
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, pstdev

import numpy as np

from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import Selection, select
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.scaling import Shares
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import Design, Proxy
from scalectl.trial import DataCard, Record, State, Trial

SEEDS = 3
NOISES = (0.15, 0.30, 0.60)
"""Of one training, in points of top-1."""
SLOPE = 1.9
"""Points per doubling of compute: the published B1 to B2."""
CARD = DataCard(
    name="simulated", classes=16, native=72, flip=False, note="", sizes={}, digests={}
)  # fmt: skip
PROXY = Proxy(width=1.0, resolution=224, downsampling=32)
CANDIDATES = enumerate_candidates(Design(degree=4), shrink(B0, PROXY, 16), 448).candidates[1:]

Truth = Callable[[Shares], float]


def saturate(gains: tuple[float, ...], speeds: tuple[float, ...]) -> Truth:
    """Each dimension gains the more, the less it has been given."""

    def at(shares: Shares) -> float:
        parts = (shares.depth, shares.width, shares.resolution)
        return sum(  # type: ignore[no-any-return]
            gain * (1 - np.exp(-speed * part))
            for gain, speed, part in zip(gains, speeds, parts, strict=True)
        )

    return at


SURFACES: dict[str, Truth] = {
    # As steep as d = 4, w = 2 and r = 2 of B0 say (Tan & Le 2019, table 7).
    "published": saturate((1.70, 1.62, 1.83), (2.29, 2.29, 2.29)),
    "hill": lambda s: (
        -4 * ((s.depth - 0.2) ** 2 + (s.width - 0.5) ** 2 + (s.resolution - 0.3) ** 2)
    ),
    "edge": saturate((1.5, 0.3, 1.8), (1.5, 1.0, 2.2)),
    "corner": lambda s: 1.5 * s.resolution + 0.5 * s.depth,
    "soft": saturate((1.70, 1.62, 1.83), (0.80, 0.80, 0.80)),
    "flat": lambda _: 0.0,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one search; regrets are losses against the best of the searched triangle."""

    argmax: float
    optimum: float
    chosen: float
    """Of the optimum where one is identified, and else of what is recommended."""
    winner: float
    """Of what is recommended, which trades up to delta for activations."""
    covered: bool
    """Whether the 95 % set holds the best."""
    fraction: float
    """Of the triangle, in the indifference set."""
    identified: bool


def simulate(truth: Truth, noise: float, seed: int) -> list[Record]:
    """What a search would have stored."""
    random = np.random.default_rng(seed)
    blocks = random.normal(0, 0.3, SEEDS)
    return [
        Record(
            trial=Trial(
                baseline=B0, candidate=candidate, recipe=PROXY.recipe, data=CARD, seed=block
            ),
            state=State.DONE,
            top1=0.7
            + 0.01
            * (
                truth(candidate.shares)
                + SLOPE * (np.log2(candidate.realised_ratio) - 1)
                + blocks[block]
                + random.normal(0, noise)
            ),
        )
        for candidate in CANDIDATES
        if candidate.shares
        for block in range(SEEDS)
    ]


def judge(surface: str, noise: float, seed: int) -> Outcome:
    """One simulated search against the truth."""
    truth, delta = SURFACES[surface], Preference().delta
    selection = select(simulate(truth, noise, seed), Preference())
    assert selection.argmax
    assert selection.argmax.candidate.shares
    assert selection.optimum
    assert selection.indifference
    heights = [truth(place.shares) for place in selection.surface]
    best = max(heights)

    def lose(shares: Shares) -> float:
        return best - truth(shares)

    recommended = realised(selection)
    found = selection.status == "identified"
    # Without delta: with it, the set is wider than 95 % on purpose.
    lowest = selection.surface[heights.index(best)].top1 + selection.indifference.margin - delta
    return Outcome(
        argmax=lose(selection.argmax.candidate.shares),
        optimum=lose(selection.optimum),
        chosen=lose(selection.optimum if found else recommended),
        winner=lose(recommended),
        covered=lowest >= max(place.top1 for place in selection.surface),
        fraction=selection.indifference.fraction,
        identified=found,
    )


def realised(selection: Selection) -> Shares:
    """Of what is recommended, which may be the balanced point itself."""
    shares = [one.shares for one in CANDIDATES if one.coefficients == selection.recommended]
    return shares[0] or selection.recommended.shares


def describe(surface: str, noise: float, repeats: int, pool: multiprocessing.pool.Pool) -> str:
    truth = SURFACES[surface]
    signal = pstdev(truth(one.shares) for one in CANDIDATES if one.shares)
    jobs = [(surface, noise, seed) for seed in range(repeats)]
    outcomes = pool.starmap(judge, jobs)

    def mean(name: str) -> float:
        return fmean(getattr(one, name) for one in outcomes)

    argmax = mean("argmax")
    ratio = f"{mean('chosen') / argmax:.2f}" if argmax else "-"
    return (
        f"| {surface} | {noise:.2f} | {signal / noise:.1f} | {argmax:.3f} | {mean('optimum'):.3f} | "
        f"{mean('chosen'):.3f} | {ratio} | {mean('winner'):.3f} | {mean('covered'):.1%} | "
        f"{mean('fraction'):.0%} | {1 - mean('identified'):.1%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    print(
        f"{len(CANDIDATES)} networks x {SEEDS} seeds, {repeats} searches each; regrets in points."
    )
    print(
        "| surface | noise | signal / noise | argmax | optimum | chosen | of argmax | winner | "
        "covered | set | not identified |"
    )
    print("| --- |" + " ---: |" * 10)
    with multiprocessing.Pool() as pool:
        for surface in SURFACES:
            for noise in NOISES:
                print(describe(surface, noise, repeats, pool), flush=True)


if __name__ == "__main__":
    main()
