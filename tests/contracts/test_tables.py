"""What holds of every table: each row has a value for each column, whatever the run holds."""

import factories
import pytest
from factories import RECORDS

from scalectl.report.tables import TABLES, tabulate
from scalectl.search.results import Results, read_results


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(RECORDS)


MADE_UP = ("fidelity", "failures")
"""Tables of what the committed records do not hold."""


@pytest.mark.parametrize("name", TABLES)
def test_every_row_fills_every_column(name: str, results: Results) -> None:
    if name in MADE_UP:
        assert not tabulate(name, results).rows
        results = factories.complete()
    table = tabulate(name, results)
    assert table.name == name
    assert table.rows
    for row in table.rows:
        assert {column.name for column in table.columns} <= row.keys()
