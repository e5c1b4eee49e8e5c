"""The fitted surface over the triangle of shares, coarse enough for a terminal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scalectl.evidence import Evidence
from scalectl.reports.candidates import label
from scalectl.scaling import Shares
from scalectl.selection import Place

LEVELS = 8
_DEGREE = 15


@dataclass(frozen=True, slots=True)
class Cell:
    """A small part of the triangle."""

    level: int | None
    """Height of the surface, from 0 to `LEVELS` - 1; None where nothing was trained around it."""
    indifferent: bool = False
    """Whether it cannot be told from the best."""
    letter: str = ""
    """Of a network that is named there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Rows from the top, which is resolution alone; depth is at the left below, width at the right."""

    rows: tuple[tuple[Cell, ...], ...]
    """One cell more in each."""
    low: float
    """Top-1 of level 0."""
    high: float
    letters: Mapping[str, str]
    """Letter -> what it marks; of several in one cell, the first."""


def tabulate_surface(evidence: Evidence) -> HeatMap | None:
    """None without a fit."""
    surface = evidence.selection.surface
    if not surface:
        return None
    low, high = min(one.top1 for one in surface), max(one.top1 for one in surface)
    letters = _find_letters(evidence)
    points = [(one.shares.depth, one.shares.width, one.shares.resolution) for one in surface]
    marks: dict[tuple[int, int], str] = {}
    for letter, (_, shares) in letters.items():
        marks.setdefault(_place(shares), letter)
    return HeatMap(
        rows=tuple(
            tuple(
                _look(
                    _find_nearest(row, column, points, surface),
                    (low, high),
                    marks.get((row, column), ""),
                )
                for column in range(row + 1)
            )
            for row in range(_DEGREE + 1)
        ),
        low=low,
        high=high,
        letters={letter: letters[letter][0] for letter in marks.values()},
    )


def _find_letters(evidence: Evidence) -> dict[str, tuple[str, Shares]]:
    selection = evidence.selection
    found: dict[str, tuple[str, Shares]] = {}
    for letter, name, summary in (
        ("*", "winner", selection.winner),
        ("^", "argmax", selection.argmax),
    ):
        if summary and summary.candidate.shares:
            found[letter] = (f"{name} {label(summary.candidate)}", summary.candidate.shares)
    for summary in evidence.summaries:
        candidate = summary.candidate
        if candidate.control in _LETTERS and candidate.shares:
            found[_LETTERS[candidate.control]] = (candidate.control, candidate.shares)
    return found


_LETTERS = {"depth": "D", "width": "W", "resolution": "R", "dwr": "c", "dWr": "f", "paper": "p"}


def _place(shares: Shares) -> tuple[int, int]:
    """Row and column of the cell."""
    row = round((1 - shares.resolution) * _DEGREE)
    return row, min(row, max(0, round(shares.width * _DEGREE)))


def _find_nearest(
    row: int,
    column: int,
    points: Sequence[tuple[float, float, float]],
    surface: Sequence[Place],
) -> Place | None:
    """The place of the surface, all of whose points are given, that is in the cell or beside it."""
    centre = (row - column) / _DEGREE, column / _DEGREE, 1 - row / _DEGREE
    distances = [math.dist(point, centre) for point in points]
    nearest = min(distances)
    return surface[distances.index(nearest)] if nearest <= 1 / _DEGREE else None


def _look(nearest: Place | None, span: tuple[float, float], letter: str) -> Cell:
    if nearest is None:
        return Cell(None, letter=letter)
    low, high = span
    part = (nearest.top1 - low) / (high - low) if high > low else 1.0
    return Cell(min(LEVELS - 1, int(part * LEVELS)), nearest.indifferent, letter)
