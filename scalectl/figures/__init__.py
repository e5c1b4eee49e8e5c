"""Figures, a slot: one file per figure, and its line in `FIGURES`.

A figure's module has a `TITLE`; `draw`, a function from the evidence to a matplotlib figure, or
None where there are no data for it; `describe`, what it shows in words, for those who cannot see it;
and `MISSING`, how to get the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure

from scalectl.figures.style import RC

if TYPE_CHECKING:
    from scalectl.evidence import Evidence

FIGURES = {
    "triangle": "scalectl.figures.triangle",
    "frontier": "scalectl.figures.frontier",
    "latency": "scalectl.figures.latency",
    "curves": "scalectl.figures.curves",
    "costs": "scalectl.figures.costs",
    "family": "scalectl.figures.family",
    "diagnostics": "scalectl.figures.diagnostics",
    "confirmation": "scalectl.figures.confirmation",
    "fidelity": "scalectl.figures.fidelity",
}
"""Name -> the module that draws it."""

FORMATS = ("svg", "png", "pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure with its words."""

    name: str
    title: str
    figure: Figure | None
    text: str
    """What the figure shows; without one, what is missing and how to get it."""


def draw(name: str, evidence: "Evidence") -> Picture:
    """The picture of that name, one of `FIGURES`."""
    module = import_module(FIGURES[name])
    with rc_context(RC):
        figure = module.draw(evidence)
    text = module.MISSING if figure is None else module.describe(evidence)
    return Picture(name=name, title=module.TITLE, figure=figure, text=text)


def encode(figure: Figure, form: str) -> bytes:
    """As one of `FORMATS`: the same bytes each time."""
    content = BytesIO()
    with rc_context(RC):
        figure.savefig(content, format=form, metadata=_NAMELESS[form], dpi=200)
    return content.getvalue()


_NAMELESS: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def list_pictures(evidence: "Evidence") -> Iterator[Picture]:
    """All of them, in order."""
    return (draw(name, evidence) for name in FIGURES)
