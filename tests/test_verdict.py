from pathlib import Path

import pytest

from scalectl import verdict
from scalectl.contents import read
from scalectl.evidence import conclude, gather
from scalectl.store import Store

RECORDS = Path(__file__).parents[1] / "grids" / "efficientnet_b0-fashion_mnist.parquet"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with the first half of the committed records."""
    store = Store(tmp_path / "run")
    for record in read(RECORDS).records[:20]:
        store.write(record)
    return tmp_path / "run"


def test_what_is_written_is_read(run: Path) -> None:
    written = conclude(gather(run))
    verdict.write(written, run)
    assert verdict.read(run) == written


def test_a_verdict_older_than_its_records_is_not_believed(run: Path) -> None:
    """Nor a damaged one, nor none."""
    assert verdict.read(run) is None
    verdict.write(conclude(gather(run)), run)
    Store(run).write(read(RECORDS).records[20])
    assert verdict.read(run) is None
    (run / "selection.json").write_text("{")
    assert verdict.read(run) is None


def test_sizes_are_rounded_as_the_search_rounded(run: Path) -> None:
    """By its rule, with the divisors of the full-size network."""
    found = conclude(gather(run))
    assert found.scaled_baseline.rounding.rule == "nearest"
    assert found.scaled_baseline.rounding.width_divisor == found.baseline.rounding.width_divisor
