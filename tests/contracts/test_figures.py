"""What holds of every figure: drawn with its words, or a sentence that says what is missing."""

from collections.abc import Callable
from dataclasses import replace

import factories
import pytest
from factories import ARCHITECTURE_RECORDS, RECORDS

from scalectl.report import figures
from scalectl.search.architectures.results import read_architecture_results
from scalectl.search.results import Results, read_results

ABSENT = {
    "real": {"latency", "fidelity"},
    "few": {"overview", "latency", "diagnostics", "confirmation", "fidelity"},
    "complete": set(),
}
GATHER: dict[str, Callable[[], Results]] = {
    "real": lambda: read_results(RECORDS),
    "few": factories.few,
    "complete": factories.complete,
}


@pytest.mark.parametrize("kind", GATHER)
def test_every_figure_is_drawn_or_says_what_is_missing(kind: str) -> None:
    """With words for those who cannot see it."""
    drawn = {drawing.name: drawing for drawing in figures.draw_all(GATHER[kind]())}
    assert list(drawn) == list(figures.FIGURES)
    assert {name for name, drawing in drawn.items() if drawing.figure is None} == ABSENT[kind]
    assert all(drawing.title and drawing.text.endswith(".") for drawing in drawn.values())
    if kind == "real":
        assert "highest at 0% depth, 0% width and 100% resolution" in drawn["triangle"].text
        assert "resolution, winner 80.9%" in drawn["frontier"].text


@pytest.mark.parametrize("networks", [103, 9, 0])
def test_every_figure_of_architectures_is_drawn_or_says_what_is_missing(networks: int) -> None:
    results = read_architecture_results(ARCHITECTURE_RECORDS)
    if networks < len(results.networks):
        results = replace(results, networks=results.networks[:networks], confirmation=None)
    drawn = {drawing.name: drawing for drawing in figures.draw_all(results)}
    assert list(drawn) == list(figures.ARCHITECTURE_FIGURES)
    absent = {name for name, drawing in drawn.items() if drawing.figure is None}
    expected: dict[int, set[str]] = {103: set(), 9: {"choices", "confirmation"}, 0: set(drawn)}
    assert absent == expected[networks]
    assert all(drawing.title and drawing.text.endswith(".") for drawing in drawn.values())
    if not absent:
        assert "25.8 M MACs 69.1%, tpe." in drawn["front"].text
        assert "stage4.repeats: -1, 0.477" in drawn["choices"].text
        assert "against start: +17.12 points" in drawn["confirmation"].text


def test_the_front_of_a_search_by_latency_is_in_milliseconds() -> None:
    results = read_architecture_results(ARCHITECTURE_RECORDS)
    timed = tuple(replace(each, seconds=each.macs / 1e10) for each in results.networks)
    drawn = next(figures.draw_all(replace(results, networks=timed)))
    assert drawn.figure
    assert drawn.figure.axes[0].get_xlabel() == "milliseconds for one image, at full size"
    assert "2.58 ms 69.1%, tpe." in drawn.text
