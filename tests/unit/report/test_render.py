import csv
import io
import re
from dataclasses import replace

import factories
import pytest
from rich.cells import cell_len

from scalectl.report.heat_map import draw_heat_map
from scalectl.report.networks import tabulate_baselines
from scalectl.report.published import tabulate_published_sizes
from scalectl.report.render import draw_sparkline, render, show
from scalectl.report.tables import TABLES, Column, Table, tabulate
from scalectl.report.tables.comparison import tabulate_runs

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


def test_latex_is_a_table_of_booktabs() -> None:
    name, top1, macs = TABLE.columns
    table = replace(
        TABLE,
        title="50 % & more_",
        columns=(name, replace(top1, title="alpha x"), macs),
        rows=({**TABLE.rows[0], "top1": -0.5}, TABLE.rows[1]),
        notes=("a <b> {c} ~ ^ \\ #$|",),
    )
    text = render(table, "latex")
    assert text.splitlines() == [
        "\\begin{table}  % needs \\usepackage{booktabs}",
        "\\centering",
        "\\caption{50 \\% \\& more\\_}",
        "\\label{tab:sample}",
        "\\begin{tabular}{lrr}",
        "\\toprule",
        "network & $\\alpha$ $\\times$ & MACs \\\\",
        "\\midrule",
        "[red]a, b[/red] & $-$50.00\\% & 1,234,567 \\\\",
        "c & -- & 2 \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        (
            "\\par\\smallskip{\\footnotesize a \\textless{}b\\textgreater{} \\{c\\} \\textasciitilde{} \\textasciicircum{} "
            "\\textbackslash{} \\#\\$\\textbar{}\\par}"
        ),
        "\\end{table}",
    ]


def test_curves_are_lines_of_blocks_or_their_numbers() -> None:
    """Blocks for people, numbers for programs and for fonts that have no blocks."""
    table = Table(
        name="t", title="t", columns=(Column("curve", "curve"),), rows=({"curve": (3.0, 2.0, 1.0)},)
    )
    assert "█▅▁" in render(table, "rich")
    assert "| █▅▁ |" in render(table, "markdown")
    assert render(table, "csv") == "curve\n3.0 2.0 1.0\n"
    assert "3.0 2.0 1.0" in render(table, "latex")
    assert draw_sparkline([]) == ""
    assert draw_sparkline([1.0, 1.0]) == "▁▁"
    long = draw_sparkline([float(number) for number in range(1000)])
    assert len(long) <= 25
    assert (long[0], long[-1]) == ("▁", "█")


def test_the_triangle_is_readable_without_colour() -> None:
    """Shades from light to dark towards the best, a dot where nothing better is known, letters."""
    lines = draw_heat_map(factories.complete()).splitlines()
    rows = [line.strip() for line in lines[2:18]]
    assert [len(row) for row in rows] == list(range(2, 33, 2))
    assert rows[0].startswith("R")
    assert rows[-1].startswith("D")
    assert rows[-1].endswith(("W░", "W."))
    # The truth is highest at shares (.3, .3, .4).
    assert rows[9][10] in "*█"
    assert "░" in rows[-1]
    assert "." in rows[9]
    for mark in lines[-1].split(", "):
        assert mark[0] in "".join(rows)
    assert "* recommended paper" in lines[-1]
    assert "\x1b" not in "".join(lines)


def test_the_triangle_has_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_COLOR asks for none."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[38;5;" in draw_heat_map(factories.complete())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[38" not in draw_heat_map(factories.complete())
    assert "█" in draw_heat_map(factories.complete())


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 200])
def test_no_number_is_cut_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow terminal leaves out whole columns, and names them."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    tables = [tabulate(name, factories.complete()) for name in TABLES]
    tables += [tabulate_baselines(), tabulate_published_sizes(), tabulate_runs([factories.few()])]
    for table in tables:
        lines = re.sub("\x1b\\[[\\d;]*m", "", render(table, "rich")).splitlines()
        assert all(cell_len(line) <= width for line in lines), table.name
        text = " ".join(" ".join(lines).split())
        hidden = text.partition("Hidden: ")[2].partition(";")[0].split(", ")
        for column in table.columns:
            if (column.title or column.name) in hidden:
                continue
            for row in table.rows:
                assert not column.format or show(row[column.name], column) in text, column


def test_what_is_needed_most_stays_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    text = render(tabulate("ranking", factories.complete()), "rich")
    assert "winner" in text
    assert "Hidden: " in text
    monkeypatch.setenv("COLUMNS", "160")
    assert "Hidden: " not in render(tabulate("ranking", factories.complete()), "rich")


def test_a_screen_shows_the_first_rows_of_a_long_table() -> None:
    rows = tuple({"name": f"n{number}", "top1": 0.5, "macs": number} for number in range(1234))
    text = render(replace(TABLE, rows=rows), "rich")
    assert "The first 200 of 1,234 rows; --json has all of them" in text
    assert "n199 " in text
    assert "n200 " not in text
    assert "n1233," in render(replace(TABLE, rows=rows), "csv")
