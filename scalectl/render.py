"""Tables as text: for terminals, markdown, spreadsheets, papers."""

import csv
import io
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal

from scalectl.reports import Column, Table

if TYPE_CHECKING:  # slow to load, and the second brings the numerics, which `scale` does without
    from rich.console import Console

    from scalectl.reports.heatmap import Cell, HeatMap

Format = Literal["rich", "markdown", "csv", "latex"]


def render(table: Table, form: Format) -> str:
    """The table as text that ends with a line break. csv has plain values and the names of `--json`."""
    return {
        "rich": _for_terminal,
        "markdown": _as_markdown,
        "csv": _as_csv,
        "latex": _as_latex,
    }[form](table)


def show(value: object, column: Column) -> str:
    """A value as people read it."""
    if isinstance(value, tuple):
        return draw_sparkline(value)
    if value is None:
        return "-"
    text = format(value, column.format)
    return text if text.isprintable() else printable(text)


def draw_sparkline(curve: Sequence[float]) -> str:
    """A curve as a line of blocks, between its own extremes; a long one at every so many epochs."""
    if not curve:
        return ""
    step = -(-len(curve) // _SPARKLINE)
    points = [*curve[:-1:step], curve[-1]]
    low, span = min(points), max(points) - min(points)
    return "".join(_BLOCKS[round(7 * (one - low) / span) if span else 0] for one in points)


_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARKLINE = 24


def draw_heat_map(heat_map: "HeatMap") -> str:
    """The triangle in colour where the terminal has any, else in shades; always with its letters."""
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    console = Console()
    coloured = console.is_terminal and bool(console.color_system) and not console.no_color

    def paint(cell: "Cell") -> Text:
        if cell.level is None:
            return Text(f"{cell.letter or ' '} ")
        inside = "." if cell.indifferent else ""
        if not coloured:
            shade = _SHADES[cell.level * len(_SHADES) // len(_HEAT)]
            return Text(f"{cell.letter or shade}{inside or shade}")
        ink = "#ffffff" if cell.level < len(_HEAT) // 2 else "#101820"
        return Text(
            f"{cell.letter or ' '}{inside or ' '}", Style(color=ink, bgcolor=_HEAT[cell.level])
        )

    letters = ", ".join(f"{letter} {name}" for letter, name in heat_map.letters.items())
    with console.capture() as captured:
        console.print(Text("Fitted top-1 over the triangle of shares", "italic"), end="\n\n")
        for row in heat_map.rows:
            indent = " " * (len(heat_map.rows) - len(row))
            console.print(Text.assemble(indent, *map(paint, row)))
        console.print(
            Text(
                f"\nFrom {heat_map.low:.2%} ({'dark' if coloured else 'light'}) to "
                f"{heat_map.high:.2%} ({'light' if coloured else 'dark'}); a dot: not to be told "
                f"from the best.\nAbove: all compute into resolution; left: depth; right: width.\n"
                f"{printable(letters)}",
                "dim",
            )
        )
    return captured.get()


_SHADES = "░▒▓█"
_HEAT = ("#0d2149", "#123a6d", "#1f5791", "#3676b0", "#5c97c4", "#8ab6d3", "#bcd6e3", "#f0f4f2")


def printable(text: str) -> str:
    """Without what a terminal would obey: names and reasons may come from anywhere (PROMISES 11)."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def escape(text: str) -> str:
    """For markdown, in which tables end at bars and HTML is obeyed."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def escape_latex(text: str) -> str:
    """For LaTeX, in which ten signs are commands, and three are others in its usual fonts."""
    return "".join(_LATEX.get(one, one) for one in text)


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
    """As wide as the terminal, or as it needs where there is none."""
    from rich.text import Text

    console, _ = _find_console()
    rows = [[show(row[column.name], column) for column in table.columns] for row in table.rows]
    lines = (_set_alike(table, rows) if rows else None) or _draw(table, rows)
    with console.capture() as captured:
        for note in table.notes:
            console.print(Text(printable(note), style="dim"))
    notes = (line.rstrip() for line in captured.get().splitlines())
    return "\n".join([*lines, *notes]) + "\n"


def _find_console() -> "tuple[Console, bool]":
    """And whether it is a terminal, whose width is given."""
    from rich.console import Console

    console = Console()
    return (console, True) if console.is_terminal else (Console(width=250), False)


def _draw(table: Table, rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, without its notes."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    console, narrow = _find_console()
    drawn = RichTable(
        title=Text(table.title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=narrow,
    )
    for number, column in enumerate(table.columns):
        longest = max((len(row[number]) for row in rows), default=0)
        # In a narrow terminal headings and long words break: a number that is cut is another one.
        drawn.add_column(
            column.title,
            justify="right" if column.format else "left",
            overflow="fold",
            min_width=longest if column.format else min(longest, _SPARKLINE),
        )
    for row in rows:
        drawn.add_row(*map(Text, row))
    with console.capture() as captured:
        console.print(drawn)
    return [line.rstrip() for line in captured.get().splitlines()]


def _set_alike(table: Table, rows: Sequence[Sequence[str]]) -> list[str] | None:
    """What `_draw` gives, which takes a minute for 10,000 rows; None where it would break a cell.

    Columns are as wide as their widest cells ask for, so that a row of these alone shows how all of
    them are set.
    """
    from rich.cells import cell_len

    if any(cell_len(sign) != 1 for sign in set("".join(chain(*rows)))):
        return None
    widest = [max(cells, key=len) for cells in zip(*rows, strict=True)]
    *above, rule, line, below = _draw(table, [widest])
    if set(rule) != {" ", "─"}:
        return None
    width, end, form = _find_console()[0].width, 0, ""
    for cell, column in zip(widest, table.columns, strict=True):
        start = len(line) - len(line[end:].lstrip())
        if line[start : start + len(cell)] != cell[: width - start]:
            return None
        form += " " * (start - end) + f"{{:{'>' if column.format else '<'}{len(cell)}}}"
        end = start + len(cell)
    body = (form.format(*row)[:width].rstrip() for row in rows)
    return [*above, rule, *body, below]


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
    """As it is; a curve as its numbers."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def _as_latex(table: Table) -> str:
    """For the package booktabs. A curve gives its numbers: fonts lack its blocks."""

    def cell(value: object, column: Column) -> str:
        curve = isinstance(value, tuple)
        return escape_latex(str(plain(value)) if curve else show(value, column))

    rows = [[cell(row[column.name], column) for column in table.columns] for row in table.rows]
    heads = [escape_latex(column.title) for column in table.columns]
    lines = [f"{' & '.join(cells)} \\\\" for cells in (heads, *rows)]
    return "\n".join(
        [
            "\\begin{table}",
            f"\\caption{{{escape_latex(table.title)}}}",
            f"\\begin{{tabular}}{{{''.join('r' if one.format else 'l' for one in table.columns)}}}",
            "\\toprule",
            lines[0],
            "\\midrule",
            *lines[1:],
            "\\bottomrule",
            "\\end{tabular}",
            *(f"\n{escape_latex(printable(note))}" for note in table.notes),
            "\\end{table}",
            "",
        ]
    )
