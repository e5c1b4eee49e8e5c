"""The fitted surface over the triangle of shares: where it is high, and what is not shown to be lower."""

from collections.abc import Sequence
from dataclasses import dataclass

from scalectl.analysis.evidence import CONFIDENCE, Judgement
from scalectl.analysis.posterior import draw_posterior
from scalectl.analysis.response import observe
from scalectl.analysis.simplex import simplex_within
from scalectl.arch.scaling import Shares
from scalectl.trial import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One point of the fitted surface."""

    shares: Shares
    height: float
    """Expected, against the surface's highest point: at most 0."""
    is_open: bool
    """Whether it is not shown, at 95 %, to be lower than the surface's highest point by over delta."""


def draw_surface(judgement: Judgement) -> tuple[Place, ...]:
    """Draw the surface as a fine simplex; empty where the networks span no area."""
    simplex = simplex_within(judgement.trainings.shares)
    if not len(simplex):
        return ()
    scale = judgement.scale[:_SURFACES, None]
    heights = judgement.posterior.predict(simplex, _SURFACES) * scale
    expected = heights.mean(axis=0)
    lost = heights.max(axis=1, keepdims=True) - heights
    near = (lost <= judgement.evidence.delta).mean(axis=0)
    return tuple(
        Place(shares=Shares(*point), height=height, is_open=is_open)
        for point, height, is_open in zip(
            simplex.tolist(),
            (expected - expected.max()).tolist(),
            (near >= 1 - CONFIDENCE).tolist(),
            strict=True,
        )
    )


def find_optimum(trained: Sequence[Record]) -> Shares | None:
    """Find where the surface of two or more finished trainings is highest; None where it covers no area."""
    trainings = observe(trained, "top1")
    simplex = simplex_within(trainings.shares)
    if not len(simplex):
        return None
    heights = draw_posterior(trainings, _DRAWS, seed=0).predict(simplex).mean(axis=0)
    return Shares(*simplex[int(heights.argmax())].tolist())


_SURFACES = 500
"""Draws of the surface: it is for the eye."""
_DRAWS = 4000
