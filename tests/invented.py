"""Evidence made up through the real types: of five candidates, of thirteen with everything, of 110."""

from dataclasses import replace
from functools import cache

import numpy as np

from scalectl.baselines.efficientnet import B0
from scalectl.comparison import Comparison, Confirmation
from scalectl.evidence import Evidence
from scalectl.fidelity import Fidelity
from scalectl.grid import Design, Preference, Proxy, enumerate_candidates, shrink
from scalectl.scaling import Shares
from scalectl.selection import select, summarise
from scalectl.trial import Candidate, DataCard, Record, State, Trial

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


def train(candidates: tuple[Candidate, ...], seeds: int) -> list[Record]:
    """Records of a search whose truth is a hill."""
    random = np.random.default_rng(0)
    return [
        _record(candidate, seed, random.normal(0, 0.002, EPOCHS + 1))
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


def gathered(name: str, records: list[Record]) -> Evidence:
    return Evidence(
        name=name,
        files=(),
        records=tuple(records),
        damaged=(),
        summaries=summarise(records),
        selection=select(records, Preference()),
    )


@cache
def few() -> Evidence:
    """Too few for a fit."""
    candidates = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 1024).candidates
    return gathered("few", train(candidates[:5], 1))


@cache
def many() -> Evidence:
    """110 candidates and the baseline, three seeds each."""
    design = Design(kind="lattice", step=0.025, max_candidates=110)
    baseline = shrink(B0, Proxy(width=1.0, resolution=224), 16)
    candidates = enumerate_candidates(design, baseline, 1024).candidates
    assert len(candidates) == 111
    return gathered("many", train(candidates, 3))


@cache
def complete() -> Evidence:
    """Confirmed, trained longer, timed; and one trial failed."""
    candidates = enumerate_candidates(Design(), shrink(B0, Proxy(), 16), 1024).candidates
    records = train(candidates, 3)
    lost = replace(records[0].trial, seed=3)
    records.append(Record(trial=lost, state=State.STALLED, error="it took no step"))
    found = gathered("complete", records)
    summaries = {one.candidate.control: one for one in found.summaries if one.candidate.control}
    winner = found.selection.winner
    assert winner
    comparison = Comparison(
        control=summaries["depth"].candidate,
        differences=(0.01, 0.03, 0.02),
        mean=0.02,
        interval=(0.01, 0.03),
        p=0.25,
        p_holm=None,
    )
    confirmation = Confirmation(
        phi=1.0,
        reference=winner.candidate,
        mean_top1=0.8,
        comparisons=(comparison, replace(comparison, interval=None, p=None)),
        claim="No claim: 3 seeds cannot reach p < .05.",
    )
    fidelity = Fidelity(
        epochs=EPOCHS,
        longer=36,
        pairs=tuple(
            (one.candidate, one.mean_top1 or 0, (one.mean_top1 or 0) + 0.05)
            for one in found.summaries
        ),
        tau=0.7,
        interval=(0.5, 0.9),
        ceiling=0.8,
        shares=found.selection.optimum,
        longer_shares=Shares(0.25, 0.25, 0.5),
        note="Ranks agree.",
    )
    return replace(
        found,
        latencies={one.candidate.fingerprint: 0.01 for one in found.summaries},
        confirmations=(confirmation, replace(confirmation, phi=2.0)),
        fidelity=fidelity,
    )
