"""What holds of every figure: drawn with its words, or a sentence that says what is missing."""

from collections.abc import Callable

import factories
import pytest
from factories import RECORDS

from scalectl.report import figures
from scalectl.search.results import Results, read_results

ABSENT = {
    "real": {"latency", "confirmation", "fidelity"},
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
        assert "(1, 1.122, 1.26), winner 80.9%" in drawn["frontier"].text
