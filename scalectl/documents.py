"""Files that people write and read: grids and emitted configs. The only place that validates."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from scalectl.architecture import Architecture, Rounding, Stage
from scalectl.baselines import baseline
from scalectl.cost import Cost
from scalectl.errors import ScalectlError
from scalectl.factory import Baseline, Factory, realise
from scalectl.grid import (
    Confirm,
    Design,
    Grid,
    Longer,
    Preference,
    Proxy,
    Resources,
    Strategy,
    Watch,
)

T = TypeVar("T")


def load_grid(path: Path | None, overrides: Sequence[str] = ()) -> Grid:
    """A grid file, or the built-in default, with KEY=VALUE overrides such as "proxy.epochs=3".

    Raises `ScalectlError` that names the file, the key and what is allowed.
    """
    content = _parse(path) if path else {}
    for override in overrides:
        _set(content, override)
    _refuse_unknown_keys(content, Grid(), str(path) if path else "--set")
    grid = _validate(Grid, content, str(path) if path else "--set")
    if grid.strategy.prune and grid.strategy.kind != "all":
        raise ScalectlError(
            f"strategy.prune has no meaning where strategy.kind is {grid.strategy.kind}.",
            'It goes with strategy.kind = "all".',
        )
    return grid


def dump_grid(grid: Grid) -> str:
    """TOML that `load_grid` reads back as the same grid."""
    import tomli_w

    return tomli_w.dumps(asdict(grid))


def load_network(path: Path) -> Baseline:
    """The network of a .toml or .json file: written by hand, or emitted by scalectl.

    An emitted factory is read as it was counted; none of its code runs.
    """
    content = _parse(path)
    network = content.get("architecture")
    if not isinstance(network, dict):
        raise ScalectlError(
            f"{path} has no [architecture].", "The README shows a network written by hand."
        )
    if "target" in network:
        return _validate(Factory, network, str(path))
    _refuse_unknown_fields(network, Architecture, str(path), "architecture.")
    for number, stage in enumerate(network.get("stages", [])):
        _refuse_unknown_fields(stage, Stage, str(path), f"architecture.stages.{number}.")
    network.setdefault("name", re.sub(r"\W", "_", path.stem.lower()))
    return _check(_validate(Architecture, network, str(path)), path)


def _check(network: Architecture, path: Path) -> Architecture:
    """What no single field can say."""
    for number, stage in enumerate(network.list_blocks()):
        group_width = network.stages[number].group_width
        if group_width and any(block.hidden % group_width for block in stage):
            raise ScalectlError(
                f"{path}: stages.{number}.group_width: {group_width} does not divide the inner width "
                f"{stage[0].hidden}.",
                "Inner widths are width * expansion in a bottleneck.",
            )
    if network.resolution < network.downsampling:
        raise ScalectlError(
            f"{path}: resolution: {network.resolution} px are less than one pixel of the last map, "
            f"which stands for {network.downsampling}.",
            "Raise it, or remove strides.",
        )
    return network


def find_baseline(name: str) -> Baseline:
    """A network by name, from a file, or of a user's factory.

    `package.module:build` is called for 224 px, `package.module:build@160` for others. Raises
    `ScalectlError` when there is none of that name.
    """
    if Path(name).suffix in (".toml", ".json"):
        network = load_network(Path(name))
        if isinstance(network, Factory):
            raise ScalectlError(
                f"{name} is a size of the factory {network.target}, and a file's code is not run.",
                f"Give --baseline {network.target} itself.",
            )
        return network
    if ":" in name:
        target, _, resolution = name.partition("@")
        if not re.fullmatch(r"[\w.]+:\w+", target) or not re.fullmatch(r"\d*", resolution):
            raise ScalectlError(
                f"The baseline {name!r} is not package.module:function.",
                "Such as my_nets:build, or my_nets:build@160 for images of 160 px.",
            )
        return realise(target, 1.0, 1.0, int(resolution or 224), 1000, Rounding())
    return baseline(name)


# pydantic takes the settings of a plain dataclass from this attribute alone.
for _part in (
    *(Stage, Rounding, Architecture, Cost, Factory),
    *(Design, Proxy, Strategy, Preference, Confirm, Longer, Watch, Resources, Grid),
):
    _part.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[union-attr]


def _validate(kind: type[T], content: Mapping[str, Any], where: str) -> T:
    from pydantic import TypeAdapter, ValidationError

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
    _refuse_unknown_fields(content, model, where, path)
    for key, value in content.items():
        part = getattr(model, key)
        if is_dataclass(part) and isinstance(value, dict):
            _refuse_unknown_keys(value, part, where, f"{path}{key}.")


def _refuse_unknown_fields(content: object, model: Any, where: str, path: str) -> None:
    known = [field.name for field in fields(model)]
    for key in content if isinstance(content, Mapping) else ():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            raise ScalectlError(
                f"{where}: there is no key {path}{key}"
                f"{f'; did you mean {path}{close[0]}?' if close else '.'}",
                f"Known are {', '.join(known)}.",
            )
