"""The report as one page: it opens from the disk, needs no network, and runs no script but its own."""

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from scalectl.errors import printable
from scalectl.report import figures
from scalectl.report.figures import DescribedFigure
from scalectl.report.figures.style import COLOURS, DARK
from scalectl.report.html import architectures, grid
from scalectl.report.render import plain, show
from scalectl.report.tables.comparison import tabulate_runs
from scalectl.search.architectures.results import ArchitectureResults
from scalectl.search.results import Results


def build(runs: Sequence[tuple[str, Results | ArchitectureResults]]) -> bytes:
    """Write the page for runs, each a path as commands name it and its results.

    Several searches of coefficients are compared first. The bytes are the same each time.
    """
    compared = [results for _, results in runs if isinstance(results, Results)]
    environment = Environment(
        loader=PackageLoader("scalectl.report", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        function.__name__: function for function in (plain, show, draw_inline, draw_line)
    }
    script = resources.files("scalectl.report.html").joinpath("page.js").read_text("utf-8")
    page = environment.get_template("page.html").render(
        runs=[
            grid.collect(f"r{number}", path, results)
            if isinstance(results, Results)
            else architectures.collect(f"r{number}", path, results)
            for number, (path, results) in enumerate(runs, 1)
        ],
        comparison=tabulate_runs(compared) if len(compared) > 1 else None,
        dark=DARK,
        version=version("scalectl"),
        # Nothing in it comes from a run, and its digest is what the page's policy lets run.
        script=Markup(script),  # noqa: S704
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page.encode()


def draw_line(value: object) -> str:
    """Convert a curve to the points of a line in an SVG of 100 x 20; "" for anything else."""
    if not isinstance(value, tuple) or len(value) < 2:
        return ""
    low, high = min(value), max(value)
    return " ".join(
        f"{100 * number / (len(value) - 1):.1f},{18 - 16 * (height - low) / ((high - low) or 1):.1f}"
        for number, height in enumerate(value)
    )


def draw_inline(drawing: DescribedFigure, key: str) -> Markup:
    """Draw a figure as part of the page: its colours are the page's, its ids begin with `key`."""
    assert drawing.figure is not None
    svg = figures.encode(drawing.figure, "svg").decode()
    view = re.search(r'viewBox="([\d. ]+)"', svg)
    assert view is not None
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    body = body[body.index(">", body.index("<svg")) + 1 :]
    body = re.sub(r'( id="|url\(#|href="#)', rf"\1{key}-{drawing.name}-", body)
    body = re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', _round_coordinates, body)
    body = re.sub(r"font(?:-family)?: [^;\"]*'DejaVu Sans'[^;\"]*", _drop_font, body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    words = escape(printable(f"{drawing.title}. {drawing.text}"))
    # matplotlib has escaped what it was given.
    return Markup(f'<svg role="img" viewBox="{view[1]}" aria-label="{words}">{body}')  # noqa: S704


def _finalise(value: object) -> object:
    """Escape the signs in names from anyone's files that could turn or hide others."""
    return printable(value) if type(value) is str else value


def _round_coordinates(attribute: re.Match[str]) -> str:
    """Cut the coordinates of an SVG attribute to two decimals, which halves the page."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def _drop_font(style: re.Match[str]) -> str:
    """Remove the name of the font from an SVG style, and keep size and weight: the page has its own."""
    size = re.search(r"[\d.]+px", style[0])
    weight = "font-weight: 600; " if re.search(r"bold|700", style[0]) else ""
    return f"{weight}font-size: {size[0]}" if size else "font-style: normal"
