"""Figures, a slot: one file for each figure, and its line in `FIGURES` or `ARCHITECTURE_FIGURES`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any, Protocol, cast

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.figure import Figure

from scalectl.report.figures.style import COLOURS, DARK, RC
from scalectl.search.architectures.results import ArchitectureResults
from scalectl.search.results import Results

FIGURES = {
    "overview": "scalectl.report.figures.overview",
    "triangle": "scalectl.report.figures.triangle",
    "frontier": "scalectl.report.figures.frontier",
    "latency": "scalectl.report.figures.latency",
    "curves": "scalectl.report.figures.curves",
    "costs": "scalectl.report.figures.costs",
    "family": "scalectl.report.figures.family",
    "diagnostics": "scalectl.report.figures.diagnostics",
    "confirmation": "scalectl.report.figures.confirmation",
    "fidelity": "scalectl.report.figures.fidelity",
}
"""Name -> the module that draws it of a search of coefficients, a `FigureModule`."""

ARCHITECTURE_FIGURES = {
    "front": "scalectl.report.figures.architectures.front",
    "choices": "scalectl.report.figures.architectures.choices",
    "confirmation": "scalectl.report.figures.architectures.confirmation",
}
"""The same of a search of architectures."""

FORMATS = ("svg", "png", "pdf")


class FigureModule(Protocol):
    """The interface of a module that draws one figure, of the results of its kind of searches."""

    TITLE: str
    MISSING: str
    """Why there is no figure, and the command that gets its data."""

    def draw(self, results: Any) -> Figure | None:
        """Draw the figure; None where its data are missing."""
        ...

    def describe(self, results: Any) -> str:
        """Say what the figure shows, for readers who cannot see it. Called only where there is one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedFigure:
    """A figure with its words; `figure` is None where its data are missing."""

    name: str
    title: str
    figure: Figure | None
    text: str
    """What the figure shows, or why there is none."""

    def _repr_svg_(self) -> str | None:
        """Show itself in a notebook; where there is no figure, its words are shown."""
        return encode(self.figure, "svg").decode() if self.figure else None


@contextmanager
def _own_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults and `RC`, whatever a matplotlibrc or a notebook has set."""
    with rc_context():
        rcdefaults()
        rcParams.update(RC)
        yield


def draw_all(results: Results | ArchitectureResults) -> Iterator[DescribedFigure]:
    """Draw each figure of that kind of searches, in the order of its table."""
    known = FIGURES if isinstance(results, Results) else ARCHITECTURE_FIGURES
    return (draw(name, results) for name in known)


def draw(name: str, results: Results | ArchitectureResults) -> DescribedFigure:
    """Draw the figure of that name, one of `FIGURES` or of `ARCHITECTURE_FIGURES`."""
    known = FIGURES if isinstance(results, Results) else ARCHITECTURE_FIGURES
    module = cast(FigureModule, import_module(known[name]))
    with _own_settings():
        figure = module.draw(results)
    text = module.describe(results) if figure else module.MISSING
    return DescribedFigure(name=name, title=module.TITLE, figure=figure, text=text)


def encode(figure: Figure, form: str) -> bytes:
    """Encode a figure in one of `FORMATS`; the same figure gives the same bytes each time."""
    content = BytesIO()
    with _own_settings():
        figure.savefig(content, format=form, metadata=_NO_DATES[form], dpi=200)
    if form == "svg":  # whose readers may lack the font, and would take one with serifs
        return content.getvalue().replace(b"'DejaVu Sans'", b"'DejaVu Sans', Verdana, sans-serif")
    return content.getvalue()


def darken(svg: bytes) -> bytes:
    """Change an encoded SVG to the colours for a dark ground."""
    text = svg.decode()
    for name, colour in COLOURS.items():
        text = text.replace(colour, DARK[name])
    return text.encode()


_NO_DATES: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
