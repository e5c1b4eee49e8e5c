"""What tests are made of: a small search, and records invented through the real types."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from scalectl.analysis.confirmation import Comparison, Confirmation, Difference
from scalectl.analysis.fidelity import Fidelity
from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import select
from scalectl.analysis.summaries import summarise
from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.scaling import Shares
from scalectl.data import Pixels
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import FRESH, Design, Proxy
from scalectl.search.results import Results
from scalectl.training.learner import Learner
from scalectl.trial import Candidate, DataCard, Purpose, Record, State, Trial

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "grids" / "efficientnet_b0-fashion_mnist.parquet"
"""Of a real search, committed with its grid file."""
ARCHITECTURE_RECORDS = ROOT / "grids" / "nas" / "glyphs.parquet"
"""The same of a search of architectures."""
FAMILIES = [
    "efficientnet_b0",
    "efficientnet_lite0",
    "efficientnet_es",
    "efficientnetv2_b0",
    "mobilenetv1_100",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "mnasnet_100",
    "resnet18",
    "resnet50",
    "convnext_tiny",
    "regnetx_002",
    "regnety_004",
]
"""Of each kind of block, one or more."""
T = TypeVar("T")
TINY = (
    "seeds=1",
    "design.degree=1",
    "design.max_candidates=2",
    "design.max_deviation=1",
    "proxy.train_images=32",
    "proxy.select_images=32",
    "proxy.test_images=16",
    "proxy.width=0.05",
    "proxy.resolution=16",
    "proxy.batch_size=16",
    "proxy.epochs=2",
)
"""A search of some seconds, as `--set` takes it."""
Make = Callable[[float], Learner]
"""Of the decay of an average."""


EPOCHS = 12
CARD = DataCard(
    name="simulated",
    classes=16,
    native=1024,
    flip=False,
    note="Simulated: nothing was trained",
    sizes={"train": 2000, "select": 1500, "test": 1500},
    digests={"train": "a1", "select": "b2", "test": "c3"},
)


def hill(shares: Shares) -> float:
    return 0.8 - 0.3 * ((shares.depth - 0.3) ** 2 + (shares.width - 0.3) ** 2)


CANDIDATES = enumerate_candidates(Design(degree=3), shrink(B0, Proxy(), 16), 72).candidates
"""Of the default search."""
WORTH = 0.2
"""Top-1 for a unit of -log(loss), in what `simulate` invents."""


def simulate(
    truth: Callable[[Shares], float], noise: float, seed: int, seeds: int = 3
) -> list[Record]:
    """Records whose log-loss follows their top-1, which has that noise."""
    random = np.random.default_rng(seed)
    records = []
    for candidate in CANDIDATES[1:]:
        assert candidate.shares
        for block in range(seeds):
            top1 = truth(candidate.shares) + block / 100 + float(random.normal(0, noise))
            trial = Trial(
                baseline=B0, candidate=candidate, recipe=Proxy().recipe, data=CARD, seed=block
            )
            loss = float(np.exp(-top1 / WORTH))
            records.append(
                Record(trial=trial, state=State.DONE, top1=top1, loss=loss, train_top1=top1)
            )
    return records


def train(candidates: tuple[Candidate, ...], seeds: int) -> list[Record]:
    """Records of a search whose truth is a hill."""
    random = np.random.default_rng(0)
    return [
        _record(candidate, seed, random.normal(0, 0.0005, EPOCHS + 1))
        for candidate in candidates
        for seed in range(seeds)
    ]


def _record(candidate: Candidate, seed: int, noise: "np.ndarray") -> Record:
    top1 = (hill(candidate.shares) if candidate.shares else 0.74) + seed / 300 + noise[0]
    curve = tuple(2 * np.exp(-epoch / 3) + 3 * (1 - top1) + noise[epoch] for epoch in range(EPOCHS))
    recipe = Proxy(epochs=EPOCHS).recipe
    trial = Trial(baseline=B0, candidate=candidate, recipe=recipe, data=CARD, seed=seed)
    return Record(
        trial=trial,
        state=State.DONE,
        top1=float(top1),
        loss=float(curve[-1]),
        train_top1=float(top1),
        curve=tuple(map(float, curve)),
        seconds=90.0,
        macs_spent=10**12,
        environment={"torch": "2", "device": "cpu"},
    )


def gathered(name: str, records: list[Record]) -> Results:
    return Results(
        name=name,
        files=(),
        records=tuple(records),
        damaged=(),
        summaries=summarise(records),
        selection=select(records, Preference()),
    )


@cache
def few() -> Results:
    """Too few for a fit."""
    candidates = enumerate_candidates(Design(degree=3), shrink(B0, Proxy(), 16), 1024).candidates
    return gathered("few", train(candidates[:5], 1))


@cache
def many() -> Results:
    """110 candidates and the baseline, three seeds each."""
    design = Design(kind="lattice", step=0.025, max_candidates=110)
    baseline = shrink(B0, Proxy(width=1.0, resolution=224), 16)
    candidates = enumerate_candidates(design, baseline, 1024).candidates
    assert len(candidates) == 111
    return gathered("many", train(candidates, 3))


@cache
def complete() -> Results:
    """Confirmed, trained longer, timed; and one trial failed."""
    candidates = enumerate_candidates(Design(degree=3), shrink(B0, Proxy(), 16), 1024).candidates
    records = train(candidates, 3)
    lost = replace(records[0].trial, seed=3)
    records.append(Record(trial=lost, state=State.STALLED, error="it took no step"))
    results = gathered("complete", records)
    summaries = {
        summary.candidate.control: summary
        for summary in results.summaries
        if summary.candidate.control
    }
    winner = results.selection.winner
    assert winner
    difference = Difference(
        by_seed=(0.01, 0.03, 0.02),
        mean=0.02,
        interval=(0.01, 0.03),
        p=0.25,
        p_holm=None,
        p_flips=0.25,
    )
    comparison = Comparison(
        control=summaries["depth"].candidate, top1=difference, log_loss=difference
    )
    unknown = replace(difference, interval=None, p=None)
    confirmation = Confirmation(
        phi=1.0,
        reference=winner.candidate,
        mean_top1=0.8,
        comparisons=(comparison, replace(comparison, top1=unknown, log_loss=None)),
        claim="No claim: 3 seeds cannot reach p < .05.",
    )
    fidelity = Fidelity(
        epochs=EPOCHS,
        longer=36,
        pairs=tuple(
            (summary.candidate, summary.mean_top1 or 0, (summary.mean_top1 or 0) + 0.05)
            for summary in results.summaries
        ),
        tau=0.7,
        interval=(0.5, 0.9),
        ceiling=0.8,
        shares=results.selection.optimum,
        longer_shares=Shares(0.25, 0.25, 0.5),
        note="Ranks agree.",
    )
    return replace(
        results,
        latencies={summary.candidate.fingerprint: 0.01 for summary in results.summaries},
        confirmations=(confirmation, replace(confirmation, phi=2.0)),
        fidelity=fidelity,
        max_deviation=0.07,
    )


def flip(content: bytes, place: int, bit: int = 0) -> bytes:
    """Return the content with one bit flipped."""
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def gather(pairs: Iterator[tuple[Pixels, int]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images of a split, (N, H, W, C), and their labels, (N,)."""
    images, labels = zip(*pairs, strict=True)
    return np.stack(images), np.array(labels)


def pixels(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (16, 1, 16, 16), dtype=torch.uint8, generator=generator)


def train_some(learner: Learner, first: int, last: int) -> list[float]:
    """The losses of some steps."""
    return [learner.step(pixels(step), torch.arange(16)).item() for step in range(first, last)]


def finish(work: Generator[None, None, T]) -> T:
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as result:
            return result.value  # type: ignore[no-any-return]


SMALL = enumerate_candidates(Design(degree=1), shrink(B0, Proxy(), 16), 72).candidates
CONTROLS = {candidate.control: candidate for candidate in SMALL}


def confirm_record(
    control: str, seed: int, top1: float, phi: float = 1.0, loss: float | None = None
) -> Record:
    trial = Trial(
        baseline=B0,
        candidate=replace(CONTROLS[control], phi=phi),
        recipe=Proxy().recipe,
        data=CARD,
        seed=FRESH + seed,
        purpose="confirm",
    )
    return Record(trial=trial, state=State.DONE, top1=top1, loss=loss)


def confirmed(seeds: int) -> list[Record]:
    """dwr is better than depth; than width, in every other seed alone."""
    return [
        confirm_record(control, seed, 0.7 + gain + seed / 100)
        for seed in range(seeds)
        for control, gain in (
            ("dwr", 0.01),
            ("depth", 0.001 * (seed % 3)),
            ("width", 0.01 + 0.003 * (-1) ** seed),
        )
    ]


SHAPES = enumerate_candidates(Design(degree=4), shrink(B0, Proxy(), 16), 72).candidates[1:]


def train_for(purpose: Purpose, heights: list[float], noise: float, seeds: int) -> list[Record]:
    random = np.random.default_rng(0)
    recipe = replace(Proxy().recipe, epochs=4 if purpose == "search" else 12)
    return [
        Record(
            trial=Trial(
                baseline=B0, candidate=network, recipe=recipe, data=CARD, seed=seed, purpose=purpose
            ),
            state=State.DONE,
            top1=height + random.normal(0, noise),
        )
        for seed in range(seeds)
        for network, height in zip(SHAPES, heights, strict=True)
    ]


def hill_of_depth(depth: float) -> list[float]:
    return [
        0.8 - (candidate.shares.depth - depth) ** 2 - 0.4 * candidate.shares.width**2
        for candidate in SHAPES
        if candidate.shares
    ]
