import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import invented
import matplotlib as mpl
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from scalectl import figures
from scalectl.cli import main
from scalectl.evidence import Evidence, gather
from scalectl.figures.style import COLOURS, HEAT
from scalectl.grid import Preference
from scalectl.selection import select, summarise
from scalectl.trial import State

RECORDS = Path(__file__).parents[1] / "grids" / "efficientnet_b0-fashion_mnist.parquet"
ABSENT = {
    "real": {"latency", "confirmation", "fidelity"},
    "few": {"latency", "diagnostics", "confirmation", "fidelity"},
    "complete": set(),
}
GATHER: dict[str, Callable[[], Evidence]] = {
    "real": lambda: gather(RECORDS),
    "few": invented.few,
    "complete": invented.complete,
}


@pytest.mark.parametrize("kind", GATHER)
def test_every_figure_is_drawn_or_says_what_is_missing(kind: str) -> None:
    """With words for those who cannot see it."""
    pictures = {one.name: one for one in figures.list_pictures(GATHER[kind]())}
    assert list(pictures) == list(figures.FIGURES)
    assert {name for name, one in pictures.items() if one.figure is None} == ABSENT[kind]
    assert all(one.title and one.text.endswith(".") for one in pictures.values())
    if kind == "real":
        assert "highest at 36% depth, 0% width and 64% resolution" in pictures["triangle"].text
        assert "(1, 1.122, 1.26), argmax 80.9%" in pictures["frontier"].text


def test_figures_are_the_same_bytes_each_time() -> None:
    """Without dates, and without numbers drawn at random."""
    for form in figures.FORMATS:
        first, second = (figures.draw("triangle", invented.complete()) for _ in range(2))
        assert first.figure
        assert second.figure
        assert figures.encode(first.figure, form) == figures.encode(second.figure, form)


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    """Whoever imports scalectl keeps their own style."""
    before = mpl.rcParams.copy()
    for one in figures.list_pictures(invented.complete()):
        assert one.figure
    assert mpl.rcParams.copy() == before


def test_the_surface_is_highest_where_the_truth_is() -> None:
    """The darkest pixels of the triangle lie around the hill's top, by the picture's own colours."""
    picture = figures.draw("triangle", invented.complete())
    assert picture.figure
    svg = figures.encode(picture.figure, "svg").decode()
    (band,) = re.findall(rf'<path d="([^"]+)"[^>]*style="fill: {HEAT[-1]}"', svg)[:1]
    places = [float(one) for one in re.findall(r"[-\d.]+", band)]
    axes = picture.figure.axes[0]
    # Shares (.3, .3, .4) lie at half of the width; pixels grow downwards, 72 to an inch.
    middle = axes.transData.transform((0.3 + 0.4 / 2, 0.4 * 3**0.5 / 2)) * 72 / picture.figure.dpi
    assert np.mean(places[::2]) == pytest.approx(middle[0], abs=15)
    height = 72 * picture.figure.get_figheight()
    assert np.mean(places[1::2]) == pytest.approx(height - middle[1], abs=25)


def test_every_colour_can_be_told_from_the_others() -> None:
    """Pages replace each by one of their own."""
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_names_are_drawn_as_they_are() -> None:
    """No mathematics, no markup, no sign that the font lacks."""
    evidence = invented.few()
    name = "$\\frac{<b>\x1b\u6f22"
    candidate = replace(evidence.records[-1].trial.candidate, control=name)
    trial = replace(evidence.records[-1].trial, candidate=candidate)
    records = (*evidence.records[:-1], replace(evidence.records[-1], trial=trial))
    evidence = replace(
        evidence,
        records=records,
        summaries=summarise(records),
        selection=select(records, Preference()),
    )
    picture = figures.draw("frontier", evidence)
    assert picture.figure
    svg = figures.encode(picture.figure, "svg").decode()
    assert "$\\frac{&lt;b&gt;\\x1b\\u6f22" in svg


def test_nothing_finished_is_no_figure_but_a_sentence() -> None:
    records = [replace(one, state=State.DIVERGED, top1=None, curve=()) for one in invented.few().records]  # fmt: skip
    evidence = invented.gathered("none", records)
    drawn = {one.name for one in figures.list_pictures(evidence) if one.figure}
    assert drawn == {"costs", "family"}


def test_figures_are_written_in_three_formats(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(RECORDS), "--figures", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert "No figure latency: No latency was measured" in result.stderr
    drawn = figures.FIGURES.keys() - ABSENT["real"]
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {f"{name}.{form}" for name in drawn for form in ("svg", "png", "pdf")}
    with Image.open(tmp_path / "new" / "triangle.png") as image:
        assert image.width == 1000
    assert (tmp_path / "new" / "triangle.pdf").read_bytes().startswith(b"%PDF")
