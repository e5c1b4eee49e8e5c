import csv
import io

from scalectl.render import render
from scalectl.reports import Column, Table

TABLE = Table(
    name="sample",
    title="A title",
    columns=(
        Column("name", "network"),
        Column("top1", "top-1", ".2%"),
        Column("macs", "MACs", ",d"),
    ),
    rows=(
        {"name": "[red]a, b[/red]", "top1": 0.5, "macs": 1234567},
        {"name": "c", "top1": None, "macs": 2},
    ),
    notes=("A note.",),
)


def test_csv_has_plain_values_and_stable_names() -> None:
    rows = list(csv.DictReader(io.StringIO(render(TABLE, "csv"))))
    assert rows[0] == {"name": "[red]a, b[/red]", "top1": "0.5", "macs": "1234567"}
    assert rows[1]["top1"] == ""


def test_markdown_is_a_table_with_its_notes() -> None:
    assert render(TABLE, "markdown").splitlines() == [
        "### A title",
        "",
        "| network | top-1 | MACs |",
        "| --- | ---: | ---: |",
        "| [red]a, b[/red] | 50.00% | 1,234,567 |",
        "| c | - | 2 |",
        "",
        "A note.",
    ]


def test_the_terminal_gets_names_as_they_are() -> None:
    """Brackets in a name are no markup; no line is cut where there is no terminal."""
    text = render(TABLE, "rich")
    assert "[red]a, b[/red]" in text
    assert "1,234,567" in text
    assert text.endswith("A note.\n")
