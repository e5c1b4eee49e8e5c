"""The fitted surface over the triangle of compute shares, drawn in a terminal."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.style import Style
from rich.text import Text

from scalectl.analysis.evidence import say_amount
from scalectl.analysis.posterior import Floats
from scalectl.analysis.surface import Place
from scalectl.arch.scaling import Shares
from scalectl.errors import printable
from scalectl.search.results import Results

_DEGREE = 15
"""The triangle has a row of tiles more than this."""
_SHADES = "░▒▓█"
_HEAT = ("#0d2149", "#123a6d", "#1f5791", "#3676b0", "#5c97c4", "#8ab6d3", "#bcd6e3", "#f0f4f2")
_LETTERS = {"depth": "D", "width": "W", "resolution": "R", "dwr": "c", "dWr": "f", "paper": "p"}


def draw_heat_map(results: Results) -> str:
    """Draw the surface with resolution on top, depth at the lower left and width at the lower right.

    In colours where the terminal has any, else in shades; letters mark the named networks. Returns
    an empty text for results without a fit.
    """
    surface, evidence = results.selection.surface, results.selection.evidence
    if not surface or evidence is None:
        return ""
    console = Console()
    coloured = console.is_terminal and bool(console.color_system) and not console.no_color
    low = min(place.height for place in surface)
    marks: dict[tuple[int, int], tuple[str, str]] = {}
    for letter, name, shares in _list_landmarks(results):
        marks.setdefault(_find_tile(shares), (letter, name))
    points = np.array(
        [(place.shares.depth, place.shares.width, place.shares.resolution) for place in surface]
    )

    def paint(row: int, column: int) -> Text:
        letter, _ = marks.get((row, column), ("", ""))
        place = _find_nearest(row, column, points, surface)
        if place is None:
            return Text(f"{letter or ' '} ")
        height = 1 - place.height / low if low else 1.0
        dot = "." if place.is_open else ""
        if not coloured:
            shade = _SHADES[min(len(_SHADES) - 1, int(height * len(_SHADES)))]
            return Text(f"{letter or shade}{dot or shade}")
        level = min(len(_HEAT) - 1, int(height * len(_HEAT)))
        ink = "#ffffff" if level < len(_HEAT) // 2 else "#101820"
        return Text(f"{letter or ' '}{dot or ' '}", Style(color=ink, bgcolor=_HEAT[level]))

    lightness = ("dark", "light") if coloured else ("light", "dark")
    names = ", ".join(f"{letter} {name}" for letter, name in marks.values())
    legend = (
        f"\nFrom {say_amount(-low, evidence)} behind ({lightness[0]}) to the highest ({lightness[1]}); dots "
        "mark what is not shown to be worse.\nTop: all added compute into resolution; lower left: into depth; lower "
        f"right: into width.\n{printable(names)}"
    )
    with console.capture() as captured:
        console.print(
            Text("The fitted surface over the triangle of compute shares", "italic"), end="\n\n"
        )
        for row in range(_DEGREE + 1):
            tiles = (paint(row, column) for column in range(row + 1))
            console.print(Text.assemble(" " * (_DEGREE - row), *tiles))
        console.print(Text(legend, "dim"))
    return captured.get()


def _list_landmarks(results: Results) -> Iterator[tuple[str, str, Shares]]:
    """Yield letter, name and place of the networks to mark, the most important first."""
    selection = results.selection
    for letter, role, summary in (
        ("*", "recommended", selection.network),
        ("^", "highest mean", selection.argmax),
    ):
        if summary and summary.candidate.shares:
            yield letter, f"{role} {summary.candidate.name}", summary.candidate.shares
    for summary in results.summaries:
        candidate = summary.candidate
        if candidate.control in _LETTERS and candidate.shares:
            yield _LETTERS[candidate.control], candidate.control, candidate.shares


def _find_tile(shares: Shares) -> tuple[int, int]:
    """Return the row, from the top, and the column, from the left, of the tile at these shares."""
    row = round((1 - shares.resolution) * _DEGREE)
    return row, min(row, max(0, round(shares.width * _DEGREE)))


def _find_nearest(row: int, column: int, points: Floats, surface: Sequence[Place]) -> Place | None:
    """Return the point of the surface nearest to a tile's centre; None beyond what was trained."""
    centre = (row - column) / _DEGREE, column / _DEGREE, 1 - row / _DEGREE
    distances = np.linalg.norm(points - centre, axis=1)
    nearest = int(distances.argmin())
    return surface[nearest] if distances[nearest] <= 1 / _DEGREE else None
