from dataclasses import replace
from pathlib import Path

import pytest
from factories import RECORDS

from scalectl.analysis import recommendation
from scalectl.arch.architecture import Architecture
from scalectl.arch.scaling import Multipliers, scale
from scalectl.search.results import read_results, recommend
from scalectl.store.reader import read
from scalectl.store.writer import Store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with the first half of the committed records."""
    store = Store(tmp_path / "run")
    for record in read(RECORDS).records[:20]:
        store.write(record)
    return tmp_path / "run"


def test_what_is_written_is_read(run: Path) -> None:
    written = recommend(read_results(run))
    recommendation.write(written, run)
    assert recommendation.read(run) == written


def test_a_verdict_older_than_its_records_is_not_believed(run: Path) -> None:
    """Nor a damaged one, nor none."""
    assert recommendation.read(run) is None
    recommendation.write(recommend(read_results(run)), run)
    Store(run).write(read(RECORDS).records[20])
    assert recommendation.read(run) is None
    (run / "selection.json").write_text("{")
    assert recommendation.read(run) is None


def test_sizes_grow_where_the_chosen_network_grew(run: Path) -> None:
    """Stores of versions that knew no other way grow uniformly."""
    late = replace(recommend(read_results(run)), stages="late")
    recommendation.write(late, run)
    read_again = recommendation.read(run)
    assert read_again == late
    deeper = scale(late.scaled_baseline, Multipliers(depth=2.0))
    assert isinstance(deeper, Architecture)
    assert deeper.stages[0].repeats == 1
    assert deeper.depth == 32


def test_sizes_are_rounded_as_the_search_rounded(run: Path) -> None:
    """By its rule, with the divisors of the full-size network."""
    recommendation = recommend(read_results(run))
    assert recommendation.scaled_baseline.rounding.rule == "nearest"
    assert (
        recommendation.scaled_baseline.rounding.width_divisor
        == recommendation.baseline.rounding.width_divisor
    )
