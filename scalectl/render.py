"""Tables as text: for terminals, markdown, spreadsheets."""

import csv
import io
from typing import Literal

from scalectl.reports import Column, Table

Format = Literal["rich", "markdown", "csv"]


def render(table: Table, form: Format) -> str:
    """The table as text that ends with a line break. csv has plain values and the names of `--json`."""
    return {"rich": _for_terminal, "markdown": _as_markdown, "csv": _as_csv}[form](table)


def printable(text: str) -> str:
    """Without what a terminal would obey: names and reasons may come from anywhere (PROMISES 11)."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def escape(text: str) -> str:
    """For markdown, in which tables end at bars and HTML is obeyed."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _for_terminal(table: Table) -> str:
    """As wide as the terminal, or as it needs where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=250)
    drawn = RichTable(
        title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in table.columns:
        drawn.add_column(column.title, justify="right" if column.format else "left", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*(Text(_show(row[column.name], column)) for column in table.columns))
    with console.capture() as captured:
        console.print(drawn)
        for note in table.notes:
            console.print(Text(printable(note), style="dim"))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _as_markdown(table: Table) -> str:
    heads = [column.title for column in table.columns]
    rule = ["---:" if column.format else "---" for column in table.columns]
    rows = [
        [escape(_show(row[column.name], column)) for column in table.columns] for row in table.rows
    ]
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
    return (
        "\n".join([f"### {table.title}", "", *lines, "", *map(escape, map(printable, table.notes))])
        + "\n"
    )


def _as_csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in table.columns)
    writer.writerows([row[column.name] for column in table.columns] for row in table.rows)
    return text.getvalue()


def _show(value: object, column: Column) -> str:
    return "-" if value is None else printable(format(value, column.format))
