import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import factories
import matplotlib as mpl
import numpy as np
import pytest
from click.testing import CliRunner
from factories import RECORDS
from PIL import Image

from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import select
from scalectl.analysis.summaries import summarise
from scalectl.cli import main
from scalectl.report import figures
from scalectl.report.figures.style import COLOURS, DARK, HEAT
from scalectl.trial import State


def test_figures_are_the_same_bytes_each_time() -> None:
    """Without dates, and without numbers drawn at random."""
    for form in figures.FORMATS:
        first, second = (figures.draw("triangle", factories.complete()) for _ in range(2))
        assert first.figure
        assert second.figure
        assert figures.encode(first.figure, form) == figures.encode(second.figure, form)


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    """Whoever imports scalectl keeps their own style."""
    before = mpl.rcParams.copy()
    for drawing in figures.draw_all(factories.complete()):
        assert drawing.figure
    assert mpl.rcParams.copy() == before


def test_the_surface_is_highest_where_the_truth_is() -> None:
    """The darkest pixels of the triangle lie around the hill's top, by the drawing's own colours."""
    drawing = figures.draw("triangle", factories.complete())
    assert drawing.figure
    svg = figures.encode(drawing.figure, "svg").decode()
    (band,) = re.findall(rf'<path d="([^"]+)"[^>]*style="fill: {HEAT[-1]}"', svg)[:1]
    places = [float(number) for number in re.findall(r"[-\d.]+", band)]
    axes = drawing.figure.axes[0]
    # Resolution, depth, width; pixels grow downwards, 72 to an inch.
    (middle,) = (axes.transProjection + axes.transData).transform(  # type: ignore[attr-defined]
        [(0.4, 0.3, 0.3)]
    )
    middle *= 72 / drawing.figure.dpi
    assert np.mean(places[::2]) == pytest.approx(middle[0], abs=15)
    height = 72 * drawing.figure.get_figheight()
    assert np.mean(places[1::2]) == pytest.approx(height - middle[1], abs=25)


def test_the_permitted_band_is_that_of_the_search() -> None:
    """Without a grid file nothing is known of it, and none is drawn."""
    for deviation, words in ((0.07, "within 5%"), (0.2, "within 15%"), (None, "")):
        drawing = figures.draw("costs", replace(factories.complete(), max_deviation=deviation))
        assert drawing.figure
        svg = figures.encode(drawing.figure, "svg").decode()
        assert words in svg
        assert ("within" in svg) == (deviation is not None)


def test_every_colour_can_be_told_from_the_others() -> None:
    """Pages replace each by one of their own."""
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_a_dark_figure_has_no_light_colour_left() -> None:
    drawing = figures.draw("overview", factories.complete())
    assert drawing.figure
    light = figures.encode(drawing.figure, "svg")
    dark = figures.darken(light).decode()
    assert COLOURS.keys() == DARK.keys()
    assert not [colour for colour in COLOURS.values() if colour in dark]
    assert dark.count(DARK["chosen"]) == light.decode().count(COLOURS["chosen"]) > 0


def test_names_are_drawn_as_they_are() -> None:
    """No mathematics, no markup, no sign that the font lacks."""
    results = factories.few()
    name = "$\\frac{<b>\x1b\u6f22"
    candidate = replace(results.records[-1].trial.candidate, control=name)
    trial = replace(results.records[-1].trial, candidate=candidate)
    records = (*results.records[:-1], replace(results.records[-1], trial=trial))
    results = replace(
        results,
        records=records,
        summaries=summarise(records),
        selection=select(records, Preference()),
    )
    drawing = figures.draw("frontier", results)
    assert drawing.figure
    svg = figures.encode(drawing.figure, "svg").decode()
    assert "$\\frac{&lt;b&gt;\\x1b\\u6f22" in svg


def test_nothing_finished_is_no_figure_but_a_sentence() -> None:
    records = [replace(record, state=State.DIVERGED, top1=None, curve=()) for record in factories.few().records]  # fmt: skip
    results = factories.gathered("none", records)
    drawn = {drawing.name for drawing in figures.draw_all(results) if drawing.figure}
    assert drawn == {"costs", "family"}


def test_figures_are_written_in_three_formats(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(RECORDS), "--figures", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert "No figure latency: No latency was measured" in result.stderr
    drawn = figures.FIGURES.keys() - {"latency", "fidelity"}
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {
        f"{name}{form}" for name in drawn for form in (".svg", ".png", ".pdf", "-dark.svg")
    }
    with Image.open(tmp_path / "new" / "triangle.png") as image:
        assert image.width == 1000
    assert (tmp_path / "new" / "triangle.pdf").read_bytes().startswith(b"%PDF")


def test_figures_do_not_depend_on_a_user_s_settings() -> None:
    """Of a matplotlibrc, a style, or a notebook's backend."""
    results = factories.complete()
    plain = figures.draw("costs", results).figure
    with mpl.rc_context({"font.size": 40, "axes.facecolor": "red", "svg.fonttype": "none"}):
        other = figures.draw("costs", results).figure
        assert plain
        assert other
        assert figures.encode(other, "svg") == figures.encode(plain, "svg")


def test_a_notebook_s_backend_is_no_matter(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scalectl", "report", str(factories.RECORDS)]
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline_absent.backend"}
    result = subprocess.run(
        [*command, "--figures", str(tmp_path)], env=environment, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "triangle.svg").exists()
