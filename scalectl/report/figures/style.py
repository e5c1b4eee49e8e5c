"""What all figures share: colours by role, fonts, and how a network is drawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalectl.analysis.summaries import Summary
from scalectl.errors import printable
from scalectl.search.results import Results
from scalectl.trial import Candidate

PAPER = "#fffffe"
INK = "#1d2530"
MUTED = "#5d6876"
FAINT = "#a9b2bd"
LINES = "#e4e8ed"
CHOSEN = "#c8441d"
HIGHEST = "#8447a6"
SINGLE = "#0a7c74"
COMPOUND = "#2c66c4"
HEAT = (
    "#eef3f8",
    "#dbe7f2",
    "#c5d9ea",
    "#abc8e0",
    "#8fb5d4",
    "#719fc6",
    "#5488b6",
    "#3a70a2",
    "#24588a",
)
"""From low to high. All colours here differ: a page replaces each by one of its own."""

COLOURS = {
    "paper": PAPER,
    "ink": INK,
    "muted": MUTED,
    "faint": FAINT,
    "lines": LINES,
    "chosen": CHOSEN,
    "highest": HIGHEST,
    "single": SINGLE,
    "compound": COMPOUND,
    **{f"heat-{level}": colour for level, colour in enumerate(HEAT)},
}

DARK = {
    "paper": "#161b22",
    "ink": "#e7ebf0",
    "muted": "#a3adba",
    "faint": "#66717f",
    "lines": "#2a313b",
    "chosen": "#ff8259",
    "highest": "#c795e3",
    "single": "#4cc2b8",
    "compound": "#79a8f5",
    "heat-0": "#1a222c",
    "heat-1": "#1d2c3c",
    "heat-2": "#21384f",
    "heat-3": "#264664",
    "heat-4": "#2c567b",
    "heat-5": "#356894",
    "heat-6": "#447dae",
    "heat-7": "#5b95c8",
    "heat-8": "#7cb0df",
}
"""What each of `COLOURS` is on a dark ground."""

WIDTH, HEIGHT = 5.0, 3.6
"""Inches: narrow enough for its text to be read on a telephone."""

RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.constrained_layout.use": True,
    "figure.edgecolor": "none",
    "figure.facecolor": PAPER,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": LINES,
    "grid.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "pdf.fonttype": 42,
    "savefig.facecolor": "auto",
    "svg.fonttype": "none",
    "svg.hashsalt": "scalectl",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 8.5,
}
"""matplotlib's settings while figures are drawn and saved. Names may hold anything: no mathematics."""

_LONGEST = 32


@dataclass(frozen=True, slots=True)
class Marker:
    """How a network is drawn: in colour with its caption, or grey without one."""

    colour: str
    caption: str
    is_chosen: bool
    """Drawn as a star, with a bold caption."""


def new_axes(x: str, y: str, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes, which say what they measure; `height` is in inches."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def find_marker(candidate: Candidate, results: Results) -> Marker:
    """Choose colour and caption by what the network is in this search."""
    selection = results.selection
    chosen, highest = (
        each is not None and each.candidate.fingerprint == candidate.fingerprint
        for each in (selection.network, selection.argmax)
    )
    colour = COMPOUND if candidate.control else FAINT
    if chosen:
        colour = CHOSEN
    elif highest:
        colour = HIGHEST
    elif candidate.control in ("depth", "width", "resolution"):
        colour = SINGLE
    elif candidate.control == "baseline":
        colour = MUTED
    if colour == FAINT:
        return Marker(FAINT, "", is_chosen=False)
    words = [clean(candidate.name)]
    if chosen:
        words.append("winner" if selection.winner else "recommended")
    elif highest:
        words.append("highest top-1")
    return Marker(colour, ", ".join(words), chosen)


def clean(text: str) -> str:
    """Escape signs that fonts may lack, and shorten what would leave no room for the figure."""
    plain = printable(text).encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


def describe_scores(summaries: Iterable[Summary], results: Results) -> str:
    """List the captions with their top-1, best first, for readers who cannot see the figure."""
    scores = [
        (summary.mean_top1, find_marker(summary.candidate, results).caption)
        for summary in summaries
        if summary.mean_top1 is not None
    ]
    scores.sort(key=lambda score: -score[0])
    return "; ".join(f"{caption} {top1:.1%}" for top1, caption in scores if caption)


def count_up(value: float, _position: float | None = None) -> str:
    """Write a large number as people say it, such as "1.2 G"."""
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
