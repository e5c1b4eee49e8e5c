"""How well the choice and its stated doubts hold where the truth is known.

python benchmarks/simulation.py [--repeats 400] [--adaptive 40]

Twelve kinds of surface and a flat one over the default's twelve networks, each with a standard
deviation of .45 points of top-1. Results are invented from the surface, a slope in compute, blocks and
noise; everything after that is the real thing. All figures are in points.
"""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import fmean, median

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scalectl.analysis.allocation import draw_networks
from scalectl.analysis.posterior import Trainings, draw_posterior

Floats = NDArray[np.float64]

SHARES = np.array(
    [(i / 3, j / 3, (3 - i - j) / 3) for i in range(4) for j in range(4 - i)]
    + [(0.1, 0.8, 0.1), (0.279, 0.292, 0.428)]
)
"""Of the default search: a simplex in thirds, dWr and paper."""
SPREAD = 0.45
DELTA = 0.2
SEEDS = (2, 3, 4, 8)
NOISES = (0.3, 0.72, 1.5)
SLOPE, EXCESS = 2.0, 0.03
"""Points for a doubling of compute, and the sd of the doublings by which networks miss the target."""
BLOCKS = 0.4
MOST = 400
"""Trainings after which a search is given up."""


def draw_rough(random: Generator, scale: float) -> Floats:
    """Draw from a Gaussian process whose correlation reaches so far over the triangle."""
    apart = ((SHARES[:, None] - SHARES[None]) ** 2).sum(axis=2)
    covariance = np.exp(-apart / (2 * scale**2)) + 1e-8 * np.eye(len(SHARES))
    return np.asarray(np.linalg.cholesky(covariance) @ random.standard_normal(len(SHARES)))


def bend(random: Generator) -> Floats:
    root = random.standard_normal((3, 3))
    away = SHARES - random.dirichlet((3, 3, 3))
    return np.asarray(-np.einsum("ij,jk,ik->i", away, root @ root.T, away))


def saturate(random: Generator) -> Floats:
    gains, speeds = random.uniform(0.3, 2, 3), random.uniform(0.8, 3, 3)
    return np.asarray((gains * (1 - np.exp(-speeds * SHARES))).sum(axis=1))


def ridge(random: Generator) -> Floats:
    across = random.standard_normal(3)
    across -= across.mean()
    away: Floats = (SHARES - random.dirichlet((3, 3, 3))) @ (across / np.linalg.norm(across))
    return np.asarray(-np.abs(away))


def edge(random: Generator) -> Floats:
    away = ((SHARES - random.dirichlet((3, 3, 3))) ** 2).sum(axis=1)
    return np.asarray(-SHARES[:, random.integers(3)] - 0.5 * away)


def corner(random: Generator) -> Floats:
    first = random.integers(3)
    return np.asarray(1.5 * SHARES[:, first] + 0.5 * SHARES[:, (first + 1) % 3])


def two_optima(random: Generator) -> Floats:
    near = [
        np.exp(-((SHARES - top) ** 2).sum(axis=1) / 0.05) for top in random.dirichlet((1, 1, 1), 2)
    ]
    return np.asarray(np.maximum(near[0], 0.9 * near[1]))


def cubic(random: Generator) -> Floats:
    return np.asarray(
        (SHARES @ random.standard_normal(3)) ** 3 + 10 * random.normal() * SHARES.prod(axis=1)
    )


def centre(_random: Generator, sign: int) -> Floats:
    return np.asarray(sign * ((SHARES - 1 / 3) ** 2).sum(axis=1))


KINDS: dict[str, Callable[[Generator], Floats]] = {
    "quadratic": bend,
    "saturating": saturate,
    "ridge": ridge,
    "edge": edge,
    "corner": corner,
    "two optima": two_optima,
    "cubic": cubic,
    "smooth": partial(draw_rough, scale=0.5),
    "rough": partial(draw_rough, scale=0.2),
    "centre best": partial(centre, sign=-1),
    "centre worst": partial(centre, sign=1),
    "unrelated": lambda random: random.standard_normal(len(SHARES)),
    "flat": lambda _random: np.zeros(len(SHARES)),
}


class World:
    """A truth, and the trainings that are made in it."""

    def __init__(self, kind: str, noise: float, repeat: int) -> None:
        self._random = np.random.default_rng([list(KINDS).index(kind), int(100 * noise), repeat])
        truth = KINDS[kind](self._random)
        self.truth = SPREAD * (truth - truth.mean()) / (truth.std() or 1.0)
        self._excess = self._random.normal(0, EXCESS, len(SHARES))
        self._noise = noise
        self._rows: list[tuple[int, int, float]] = []
        self._block = 0

    def train(self, networks: list[int]) -> None:
        """Train these networks with one new seed."""
        level = self._random.normal(0, BLOCKS)
        for network in networks:
            mean = self.truth[network] + SLOPE * self._excess[network] + level
            response = mean + self._random.normal(0, self._noise)
            self._rows.append((network, self._block, float(response)))
        self._block += 1

    @property
    def trainings(self) -> Trainings:
        network, block, response = zip(*self._rows, strict=True)
        return Trainings(
            shares=SHARES,
            excess=self._excess,
            network=np.array(network),
            block=np.array(block),
            response=np.array(response),
        )

    @property
    def lost(self) -> Floats:
        """What each network loses against the best."""
        return np.asarray(self.truth.max() - self.truth)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one search; regrets against the best of the networks."""

    chosen: float
    highest: float
    """Of the highest mean."""
    stated: float
    """The expected regret of the chosen one."""
    bound: float
    """Its 95 % bound."""
    chance_within: float
    trainings: int

    @property
    def is_identified(self) -> bool:
        return self.chance_within >= 0.95


def judge(world: World, draws: int) -> tuple[Outcome, Floats]:
    """Choose as `select` does; return the draws of the means too."""
    trainings = world.trainings
    means = draw_posterior(trainings, draws, seed=0).means
    regrets = means.max(axis=1, keepdims=True) - means
    chosen = int(regrets.mean(axis=0).argmin())
    sums = np.bincount(trainings.network, trainings.response)
    highest = int((sums / np.bincount(trainings.network)).argmax())
    outcome = Outcome(
        chosen=float(world.lost[chosen]),
        highest=float(world.lost[highest]),
        stated=float(regrets[:, chosen].mean()),
        bound=float(np.quantile(regrets[:, chosen], 0.95)),
        chance_within=float((regrets[:, chosen] <= DELTA).mean()),
        trainings=len(trainings.response),
    )
    return outcome, means


def search_equally(case: tuple[str, int, float, int]) -> Outcome:
    """Train every network with so many seeds."""
    kind, seeds, noise, repeat = case
    world = World(kind, noise, repeat)
    for _ in range(seeds):
        world.train(list(range(len(SHARES))))
    return judge(world, 1000)[0]


def search_until_sure(case: tuple[str, float, int, bool]) -> Outcome:
    """Train two seeds of every network, and then more until the choice is sure."""
    kind, noise, repeat, is_adaptive = case
    world, everything = World(kind, noise, repeat), list(range(len(SHARES)))
    world.train(everything)
    world.train(everything)
    for seed in range(2, MOST):
        outcome, means = judge(world, 600)
        if outcome.is_identified or outcome.trainings >= MOST:
            break
        world.train(draw_networks(means, 4, seed) if is_adaptive else everything)
    return outcome


def tabulate_equal(pool: ProcessPoolExecutor, repeats: int) -> Iterator[str]:
    yield f"{repeats} searches for each line; regrets in points of top-1, sd of the truths {SPREAD}."
    yield ""
    yield (
        "| surface | seeds | noise | regret | 95th percentile | of the highest mean | stated | bound holds "
        "| identified | of these within .2 |"
    )
    yield "| --- |" + " ---: |" * 9
    of_kind: dict[str, list[Outcome]] = {kind: [] for kind in KINDS}
    for seeds, noise, kind in product(SEEDS, NOISES, KINDS):
        cases = [(kind, seeds, noise, repeat) for repeat in range(repeats)]
        outcomes = list(pool.map(search_equally, cases, chunksize=20))
        of_kind[kind] += outcomes
        yield f"| {kind} | {seeds} | {noise} | {summarise(outcomes)} |"
    for kind, outcomes in of_kind.items():
        yield f"| {kind} | all | all | {summarise(outcomes)} |"


def summarise(outcomes: list[Outcome]) -> str:
    chosen = [outcome.chosen for outcome in outcomes]
    sure = [outcome for outcome in outcomes if outcome.is_identified]
    holds = fmean(outcome.chosen <= outcome.bound + 1e-9 for outcome in outcomes)
    return " | ".join(
        [
            f"{fmean(chosen):.3f}",
            f"{np.quantile(chosen, 0.95):.3f}",
            f"{fmean(outcome.highest for outcome in outcomes):.3f}",
            f"{fmean(outcome.stated for outcome in outcomes):.3f}",
            f"{holds:.0%}",
            f"{len(sure) / len(outcomes):.0%}",
            count_right(sure),
        ]
    )


def count_right(sure: list[Outcome]) -> str:
    return f"{fmean(outcome.chosen <= DELTA for outcome in sure):.0%}" if sure else "-"


def tabulate_adaptive(pool: ProcessPoolExecutor, repeats: int) -> Iterator[str]:
    yield f"Trainings until the choice is sure, median of {repeats} searches; {MOST} is given up."
    yield ""
    yield "| surface | noise | equal seeds | adaptive | ratio | adaptive, stopped | of these within .2 |"
    yield "| --- |" + " ---: |" * 6
    stopped: list[Outcome] = []
    for noise, kind in product((0.44, 0.72), list(KINDS)[:-1]):
        equal, adaptive = (
            list(pool.map(search_until_sure, [(kind, noise, each, way) for each in range(repeats)]))
            for way in (False, True)
        )
        middle = [median(each.trainings for each in ways) for ways in (equal, adaptive)]
        sure = [outcome for outcome in adaptive if outcome.is_identified]
        stopped += sure
        yield (
            f"| {kind} | {noise} | {middle[0]:.0f} | {middle[1]:.0f} | {middle[1] / middle[0]:.2f} | "
            f"{len(sure) / len(adaptive):.0%} | {count_right(sure)} |"
        )
    yield f"| all | all | | | | | {count_right(stopped)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400, help="searches with equal seeds")
    parser.add_argument("--adaptive", type=int, default=40, help="searches until sure")
    chosen = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        for line in tabulate_equal(pool, chosen.repeats):
            print(line, flush=True)
        print()
        for line in tabulate_adaptive(pool, chosen.adaptive):
            print(line, flush=True)


if __name__ == "__main__":
    main()
