"""What mkdocs does beside its plugins: tables of a grid file's keys, and links out of docs/."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen

from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.config import Config

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: object) -> str:
    """Fill in the keys, and send links to files of the repository there."""
    folder = (ROOT / "docs" / page.file.src_uri).parent
    source = f"{config['extra']['source']}/blob/main/"

    def lead_out(link: re.Match[str]) -> str:
        path = (folder / link[1]).resolve()
        if path.is_relative_to(ROOT / "docs"):
            return link[0]
        if not path.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {link[1]}, which is not there")
        return f"]({source}{path.relative_to(ROOT)})"

    markdown = re.sub(r"\]\((\.\./[^)#]+)\)", lead_out, markdown)
    return re.sub(r"<!-- keys: (\w+) -->", lambda kind: describe_keys(FILES[kind[1]]), markdown)


FILES = {"grid": Config, "space": ArchitectureConfig}
"""What the files of commands are read as."""


def describe_keys(file: type) -> str:
    """Write a table for each table of a file, from the types and docstrings of its dataclass."""
    tables = {part.name: getattr(file(), part.name) for part in fields(file)}
    sections = [("Keys before any table", list_keys(file))]
    sections += [
        (f"[{name}]", list_keys(type(table)))
        for name, table in tables.items()
        if is_dataclass(table)
    ]
    return "\n".join(
        f"\n## {title}\n\n| key | default | allowed | means |\n| --- | --- | --- | --- |\n"
        + "\n".join(key.as_row() for key in keys)
        for title, keys in sections
    )


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a grid file."""

    name: str
    default: object
    allowed: str
    meaning: str

    def as_row(self) -> str:
        """Write a row of a markdown table."""
        value = getattr(self.default, "value", self.default)
        default = str(value).lower() if isinstance(value, bool) else str(value)
        return f"| `{self.name}` | `{default}` | {self.allowed} | {self.meaning} |"


def list_keys(table: type) -> list[Key]:
    """List the fields of a dataclass; whatever has no docstring has its comment in the default file."""
    meanings = dict(read_comments(ROOT / "grids" / "default.toml"))
    for part in reversed(table.__mro__[:-1]):
        meanings |= dict(read_docstrings(part))
    hints = get_type_hints(table, include_extras=True)
    return [
        Key(
            part.name,
            getattr(table(), part.name),
            describe(hints[part.name]),
            meanings.get(part.name, ""),
        )
        for part in fields(table)
        if not is_dataclass(getattr(table(), part.name))
    ]


def read_docstrings(table: type) -> Iterator[tuple[str, str]]:
    """Read the strings below the fields of a class."""
    (tree,) = ast.parse(inspect.getsource(table)).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(text.value, ast.Constant)
            yield field.target.id, " ".join(str(text.value.value).split())


def read_comments(path: Path) -> Iterator[tuple[str, str]]:
    """Read the comment behind each key of a grid file; "" where there is none."""
    yield from re.findall(r"^(\w+) = [^#\n]*(?:# (.*))?$", path.read_text(), re.MULTILINE)


def describe(kind: Any) -> str:
    """Put a type into words, such as "number, at least 0, at most 1"."""
    if get_origin(kind) is Annotated:
        base, *bounds = get_args(kind)
        return ", ".join([describe(base), *(describe_bound(bound) for bound in bounds)])
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list: {describe(get_args(kind)[0])}"
    words = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))


def describe_bound(bound: object) -> str:
    """Put a limit into words."""
    words = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below", MinLen: "entries at least"}
    (value,) = (getattr(bound, field.name) for field in fields(bound))  # type: ignore[arg-type]
    return f"{words[type(bound)]} {value:,}"
