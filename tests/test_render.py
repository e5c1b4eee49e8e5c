import csv
import io
from dataclasses import replace

import invented
import pytest

from scalectl.render import _draw, _set_alike, draw_heat_map, draw_sparkline, render, show
from scalectl.reports import REPORTS, Column, Table, tabulate
from scalectl.reports.heatmap import tabulate_surface

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
    text = render(replace(TABLE, title="50 % & more_", notes=("a <b> {c} ~ ^ \\ #$|",)), "latex")
    assert text.splitlines() == [
        "\\begin{table}",
        "\\caption{50 \\% \\& more\\_}",
        "\\begin{tabular}{lrr}",
        "\\toprule",
        "network & top-1 & MACs \\\\",
        "\\midrule",
        "[red]a, b[/red] & 50.00\\% & 1,234,567 \\\\",
        "c & - & 2 \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "",
        (
            "a \\textless{}b\\textgreater{} \\{c\\} \\textasciitilde{} \\textasciicircum{} "
            "\\textbackslash{} \\#\\$\\textbar{}"
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
    heat_map = tabulate_surface(invented.complete())
    assert heat_map
    lines = draw_heat_map(heat_map).splitlines()
    rows = [line.strip() for line in lines[2:18]]
    assert [len(heat_map.rows[row]) for row in range(16)] == list(range(1, 17))
    assert rows[0].startswith("R")
    assert rows[-1].startswith("D")
    assert rows[-1].endswith(("W░", "W."))
    # The truth is highest at shares (.3, .3, .4).
    assert rows[9][10] in "^█"
    assert "░" in rows[-1]
    assert "." in rows[9]
    for letter in heat_map.letters:
        assert letter in "".join(rows)
    assert "* winner dwr" in lines[-1]
    assert "\x1b" not in "".join(lines)


def test_the_triangle_has_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_COLOR asks for none."""
    heat_map = tabulate_surface(invented.complete())
    assert heat_map
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[38;5;" in draw_heat_map(heat_map)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[38" not in draw_heat_map(heat_map)
    assert "█" in draw_heat_map(heat_map)


def test_a_narrow_terminal_cuts_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headings break instead."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "130")
    text = render(tabulate("ranking", invented.complete()), "rich")
    rows = [line for line in text.splitlines() if "%" in line]
    assert len(rows) == 13
    # Top-1, sd, the gap, and but for the baseline the chance to be the best.
    assert sorted(line.count("%") for line in rows) == [3] + [4] * 12
    assert "…" not in text
    assert "winner" in text


def test_tables_of_any_length_are_set_as_rich_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each width, with names that break, that are wide or begin with a space, and in colour."""
    tables = [tabulate(name, invented.complete()) for name in REPORTS]
    tables += [tabulate(name, invented.many()) for name in ("ranking", "curves")]
    names = ("a name that is longer than a column of text", "名前", " a", "a\nb", "")
    for name in names:
        tables.append(replace(TABLE, rows=({**TABLE.rows[0], "name": name}, *TABLE.rows)))
    alike = 0
    for width in (None, 40, 80, 100, 130, 200):
        if width:
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("COLUMNS", str(width))
        for table in tables:
            rows = [[show(row[one.name], one) for one in table.columns] for row in table.rows]
            lines = _set_alike(table, rows) if rows else None
            alike += lines is not None
            assert lines in (None, _draw(table, rows)), (table.name, width)
    assert alike > 30
