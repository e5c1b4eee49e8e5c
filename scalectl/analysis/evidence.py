"""What finished trainings leave possible, and the unit in which differences between networks are said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scalectl.analysis.posterior import Floats, Posterior, Trainings, draw_posterior
from scalectl.analysis.preference import Preference
from scalectl.analysis.response import (
    Noise,
    Response,
    Worth,
    compare_orders,
    measure_noise,
    observe,
    value_in_top1,
)
from scalectl.trial import Record, State

CONFIDENCE = 0.95
Unit = Literal["top1", "log_loss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the choice rests on."""

    response: Response
    """What networks were compared by."""
    unit: Unit
    """Unit of regrets and heights: top-1 as a fraction; or log-loss, as a fraction of itself, where
    these trainings do not show what that is worth in top-1."""
    delta: float
    """The difference, in that unit, up to which networks count as equally good."""
    worth: Worth | None
    noise: Noise
    """In units of the response."""
    agreement: float | None
    """Rank correlation between the orders of the networks by log-loss and by top-1."""

    @property
    def tells_nothing(self) -> bool:
        """Whether networks may differ as much by chance alone."""
        p = self.noise.networks_p
        return p is not None and p > 1 - CONFIDENCE

    @property
    def percent(self) -> str:
        """Return the name of a hundredth of the unit."""
        return "points of top-1" if self.unit == "top1" else "% of the log-loss"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """What finished trainings leave possible."""

    networks: tuple[str, ...]
    """Fingerprints, in order of first appearance."""
    trainings: Trainings
    posterior: Posterior
    scale: Floats
    """(C,): draws of what the response is worth in the unit of regrets."""
    evidence: Evidence

    @property
    def means(self) -> Floats:
        """Return (C, G) draws of the networks' means, in the unit of regrets."""
        means: Floats = self.posterior.means * self.scale[:, None]
        return means

    @property
    def within(self) -> Floats:
        """Return (G,): P that each network is within delta of the best."""
        means = self.means
        lost = means.max(axis=1, keepdims=True) - means
        return np.asarray((lost <= self.evidence.delta).mean(axis=0))

    @property
    def is_identified(self) -> bool:
        """Whether the network with the highest expected mean is within delta of the best, at 95 %.

        Never before some network was trained twice.
        """
        best = int(self.means.mean(axis=0).argmax())
        return self.evidence.noise.sd is not None and bool(self.within[best] >= CONFIDENCE)


def list_trained(records: Sequence[Record]) -> list[Record]:
    """List the finished trainings of candidates; the baseline is none."""
    return [
        record
        for record in records
        if record.state is State.DONE and record.trial.candidate.shares is not None
    ]


def judge(trained: Sequence[Record], preference: Preference) -> Judgement:
    """Work out what two or more finished trainings of candidates leave possible.

    The draws are the same for the same trainings, so that a search stops when its report says so.
    """
    by_loss = all(record.loss is not None for record in trained)
    response: Response = preference.response if by_loss else "top1"
    trainings, top1 = observe(trained, response), observe(trained, "top1")
    agreement = None
    if by_loss:
        losses = trainings if response == "log_loss" else observe(trained, "log_loss")
        agreement = compare_orders(losses, top1)
    exact = Worth(slope=1.0, error=0.0)
    worth = exact if response == "top1" else value_in_top1(trainings, top1.response)
    networks = tuple(dict.fromkeys(record.trial.candidate.fingerprint for record in trained))
    posterior = draw_posterior(trainings, _count_draws(len(networks)), seed=0)
    return Judgement(
        networks=networks,
        trainings=trainings,
        posterior=posterior,
        scale=_draw_scale(worth, len(posterior.noise)),
        evidence=Evidence(
            response=response,
            unit="top1" if worth else "log_loss",
            delta=preference.delta if worth else _DELTA_OF_LOSS,
            worth=worth,
            noise=measure_noise(trainings),
            agreement=agreement,
        ),
    )


def say_amount(amount: float, evidence: Evidence) -> str:
    """Write a difference between networks in words, such as "0.2 points of top-1"; rounded up."""
    hundredths = math.ceil(10_000 * amount - 1e-6) / 100
    return f"{hundredths:g} {evidence.percent}"


_DELTA_OF_LOSS = 0.01
"""Where a difference in top-1 says nothing of one in log-loss: a hundredth of it."""
_MOST_DRAWS = 4000


def _count_draws(networks: int) -> int:
    """Choose fewer draws for many networks: 10,000 of them would fill a gigabyte."""
    return max(400, min(_MOST_DRAWS, 1_000_000 // networks))


def _draw_scale(worth: Worth | None, count: int) -> Floats:
    """Draw what the response is worth in the unit of regrets, as uncertain as that is."""
    if worth is None:
        return np.ones(count)
    drawn = np.random.default_rng(1).normal(worth.slope, worth.error, count)
    return np.asarray(np.maximum(drawn, 0.0))
