"""Tables as text: for terminals, markdown, spreadsheets, papers."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from scalectl.errors import printable
from scalectl.report.tables import Column, Table

Format = Literal["rich", "markdown", "csv", "latex"]


def render(table: Table, form: Format) -> str:
    """Write the table as text that ends with a line break.

    csv has plain values under the column names of `--json`; the others have what people read.
    """
    return {
        "rich": _for_terminal,
        "markdown": _as_markdown,
        "csv": _as_csv,
        "latex": _as_latex,
    }[form](table)


def show(value: object, column: Column) -> str:
    """Write a value as people read it: a curve as a sparkline, None as "-"."""
    if isinstance(value, tuple):
        return draw_sparkline(value)
    if value is None:
        return "-"
    text = format(value, column.format)
    return text if text.isprintable() else printable(text)


def draw_sparkline(curve: Sequence[float]) -> str:
    """Draw a curve as at most 25 blocks between its own extremes; longer ones are sampled evenly."""
    if not curve:
        return ""
    step = -(-len(curve) // _SPARKLINE)
    points = [*curve[:-1:step], curve[-1]]
    low, span = min(points), max(points) - min(points)
    return "".join(_BLOCKS[round(7 * (point - low) / span) if span else 0] for point in points)


_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARKLINE = 24


def pluralise(number: int, noun: str) -> str:
    """Write a count with its noun, such as "1 seed" or "12 seeds"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def escape(text: str) -> str:
    """Escape text for markdown, in which a bar ends a cell and HTML is obeyed."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def escape_latex(text: str) -> str:
    """Escape text for LaTeX: its ten commands, and three signs that its usual fonts lack."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
}


def _for_terminal(table: Table) -> str:
    """Draw with rich, as wide as the terminal; into a file, as wide as the table needs."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=250)
    rows = [
        {column.name: show(row[column.name], column) for column in table.columns}
        for row in table.rows[:_MOST_ROWS]
    ]
    columns = _choose_columns(table.columns, rows, console.width)
    drawn = RichTable(
        title=Text(table.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=console.is_terminal,
    )
    for column in columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.format else "left",
            overflow="fold",
            min_width=_find_width(column, rows),
        )
    for row in rows:
        drawn.add_row(*(Text(row[column.name]) for column in columns))
    unbroken = console.options.update(width=10_000)
    if console.is_terminal and console.measure(drawn, options=unbroken).maximum > console.width:
        for drawn_column in drawn.columns:  # headings break, numbers do not
            drawn_column.width = drawn_column.min_width if drawn_column.justify == "right" else None
    with console.capture() as captured:
        console.print(drawn)
        for note in (*_name_hidden(table, columns), *table.notes):
            console.print(Text(printable(note), style="dim"))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


_MOST_ROWS = 200
"""On a screen: nobody reads more there, and rich takes a minute for 10,000."""


def _choose_columns(
    columns: Sequence[Column], rows: Sequence[Mapping[str, str]], width: int
) -> list[Column]:
    """Leave out columns, the least needed first, until no number has to be cut or broken."""
    kept = list(columns)
    widths = {column: _find_width(column, rows) + _GAP for column in columns}
    for column in sorted(columns[:0:-1], key=lambda column: column.essential):
        if sum(widths[column] for column in kept) <= width:
            break
        kept.remove(column)
    return kept


_GAP = 2
"""Characters between columns, and beside the outer ones together."""


def _find_width(column: Column, rows: Sequence[Mapping[str, str]]) -> int:
    """Return how many characters a column needs: headings break at spaces, long texts anywhere."""
    from rich.cells import cell_len

    longest = max((cell_len(row[column.name]) for row in rows), default=0)
    heading = max((len(word) for word in column.title.split()), default=0)
    return max(heading, longest if column.format else min(longest, _SPARKLINE))


def _name_hidden(table: Table, shown: Sequence[Column]) -> Iterator[str]:
    hidden = [column.title or column.name for column in table.columns if column not in shown]
    if hidden:
        yield f"Hidden: {', '.join(hidden)}; a wider terminal or --json shows them."
    if len(table.rows) > _MOST_ROWS:
        yield (
            f"The first {_MOST_ROWS} of {len(table.rows):,} rows; --json has all of them, and so "
            "has `scalectl report --format csv`."
        )


def _as_markdown(table: Table) -> str:
    heads = [column.title for column in table.columns]
    rule = ["---:" if column.format else "---" for column in table.columns]
    rows = [
        [escape(show(row[column.name], column)) for column in table.columns] for row in table.rows
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
    writer.writerows([plain(row[column.name]) for column in table.columns] for row in table.rows)
    return text.getvalue()


def plain(value: object) -> object:
    """Write a value for programs: as it is, a curve as numbers between spaces."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def _as_latex(table: Table) -> str:
    """Write a LaTeX table for the package booktabs; a curve as numbers, since fonts lack the blocks."""

    def cell(value: object, column: Column) -> str:
        if isinstance(value, tuple):
            return str(plain(value))
        text = escape_latex(show(value, column))
        return re.sub(r"^([-+])(?=\d)", r"$\1$", text) if text != "-" else "--"

    rows = [[cell(row[column.name], column) for column in table.columns] for row in table.rows]
    heads = [_typeset(column.title or column.name) for column in table.columns]
    lines = [f"{' & '.join(cells)} \\\\" for cells in (heads, *rows)]
    notes = " ".join(_typeset(printable(note)) for note in table.notes)
    return "\n".join(
        [
            "\\begin{table}  % needs \\usepackage{booktabs}",
            "\\centering",
            f"\\caption{{{_typeset(table.title)}}}",
            f"\\label{{tab:{table.name}}}",
            f"\\begin{{tabular}}{{{''.join('r' if column.format else 'l' for column in table.columns)}}}",
            "\\toprule",
            lines[0],
            "\\midrule",
            *lines[1:],
            "\\bottomrule",
            "\\end{tabular}",
            *([f"\\par\\smallskip{{\\footnotesize {notes}\\par}}"] if notes else []),
            "\\end{table}",
            "",
        ]
    )


def _typeset(text: str) -> str:
    """Escape words for LaTeX, with its own symbols for Greek letters, "R2" and the "x" of ratios."""
    text = re.sub(r"\b(alpha|beta|gamma|phi)\b", r"$\\\1$", escape_latex(text))
    text = re.sub(r"\bR2\b", "$R^2$", text)
    return re.sub(r"(?<=\d|\s)x(?=\s|$)", r"$\\times$", text)
