"""Files that people write and read: grids and emitted configs. The only place that validates."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import ConfigDict, TypeAdapter, ValidationError

from scalectl.architecture import Architecture, Rounding, Stage
from scalectl.baselines import BASELINES, baseline
from scalectl.errors import ScalectlError
from scalectl.grid import Design, Grid, Proxy

T = TypeVar("T")


def load_grid(path: Path | None, overrides: Sequence[str] = ()) -> Grid:
    """A grid file, or the built-in default, with KEY=VALUE overrides such as "proxy.epochs=3".

    Raises `ScalectlError` that names the file, the key and what is allowed.
    """
    content = _parse(path) if path else {}
    for override in overrides:
        _set(content, override)
    _refuse_unknown_keys(content, Grid(), str(path) if path else "--set")
    return _validate(Grid, content, str(path) if path else "--set")


def dump_grid(grid: Grid) -> str:
    """TOML that `load_grid` reads back as the same grid."""
    return tomli_w.dumps(asdict(grid))


def load_architecture(path: Path) -> Architecture:
    """The network of a .toml or .json file that scalectl emitted."""
    content = _parse(path)
    if not isinstance(content.get("architecture"), dict):
        raise ScalectlError(
            f"{path} has no [architecture].", "Give a .toml or .json file that scalectl emitted."
        )
    return _validate(Architecture, content["architecture"], str(path))


def find_baseline(name: str) -> Architecture:
    """A baseline by name, or from a file. Raises `ScalectlError` when there is neither."""
    if name not in BASELINES and Path(name).suffix in (".toml", ".json"):
        return load_architecture(Path(name))
    return baseline(name)


# pydantic takes the settings of a plain dataclass from this attribute alone.
for _part in (Stage, Rounding, Architecture, Design, Proxy, Grid):
    _part.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[union-attr]


def _validate(kind: type[T], content: Mapping[str, Any], where: str) -> T:
    try:
        # As JSON, so that "3" is no number and yet a list becomes a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        value = first.get("input")
        given = f" (given: {value!r})" if not isinstance(value, dict) else ""
        raise ScalectlError(f"{where}: {key}{given}: {first['msg']}.") from None


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise ScalectlError(f"{path} cannot be read: {reason}.", "Check the path.") from None
    try:
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as problem:
        raise ScalectlError(f"{path} cannot be parsed: {problem}.", "Mend that line.") from None
    if not isinstance(content, dict):
        raise ScalectlError(f"{path} holds no table of keys.", "See grids/ for examples.")
    return content


def _set(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not (key and equals):
        raise ScalectlError(f"--set {override} is not KEY=VALUE.", "Such as proxy.epochs=3.")
    *tables, name = key.strip().split(".")
    for table in tables:
        content = content.setdefault(table, {})
        if not isinstance(content, dict):
            raise ScalectlError(f"--set {override}: {table} is not a table.", "See grids/.")
    try:
        content[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        content[name] = text


def _refuse_unknown_keys(
    content: Mapping[str, Any], model: Any, where: str, path: str = ""
) -> None:
    known = [field.name for field in fields(model)]
    for key, value in content.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            raise ScalectlError(
                f"{where}: there is no key {path}{key}"
                f"{f'; did you mean {path}{close[0]}?' if close else '.'}",
                f"Known are {', '.join(known)}.",
            )
        part = getattr(model, key)
        if is_dataclass(part) and isinstance(value, dict):
            _refuse_unknown_keys(value, part, where, f"{path}{key}.")
