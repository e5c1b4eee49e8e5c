"""Read and validate what people write: files, keys, durations."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from scalectl.errors import ScalectlError

T = TypeVar("T")


def validate(kind: type[T], content: Mapping[str, Any], where: str) -> T:
    """Make a value of a dataclass from plain content; `where` names the file or flag in errors.

    Raises `ScalectlError` for the first key whose value is not allowed.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        _refuse_boundless_numbers(content, where)
        # As JSON, so that "3" is no number and yet a list becomes a tuple.
        return TypeAdapter(kind).validate_json(json.dumps(content, default=str), strict=True)
    except RecursionError:
        raise ScalectlError(f"{where} is nested too deeply.", "Remove brackets.") from None
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        value = first.get("input")
        given = f" (given: {value!r})" if not isinstance(value, dict) else ""
        raise ScalectlError(f"{where}: {key}{given}: {first['msg']}.") from None


def expand_home(text: str | Path) -> Path:
    """Make a path of text in which `~` or `~user` stands for a home folder, as in a shell."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such user, and so it is a name
        return Path(text)


def find_shipped(name: str) -> Path | None:
    """Find a file of the folder grids/ that comes with scalectl; None where there is none."""
    package = Path(__file__).parent  # an installed one holds the folder, a checkout lies beside it
    for folder in (package / "grids", package.parent / "grids"):
        if (folder / name).is_file():
            return folder / name
    return None


def list_shipped() -> list[str]:
    """List the names of the grid files that come with scalectl."""
    default = find_shipped("default.toml")
    return sorted(path.stem for path in default.parent.glob("*.toml")) if default else []


def find_grid(path: Path) -> Path:
    """Return the file of that path, else the shipped one of that name, with or without ".toml".

    Raises `ScalectlError` for a name that is neither.
    """
    if path.is_file():
        return path
    shipped = find_shipped(f"{path.stem}.toml") if len(path.parts) == 1 else None
    if shipped is None and not path.suffix:
        raise ScalectlError(
            f"There is no grid file {path}{did_you_mean(path.name, list_shipped())}",
            f"Give a .toml file, or a shipped one: {', '.join(list_shipped())}.",
        )
    return shipped or path


def read_table(path: Path, parse: Callable[[str], object] | None = None) -> dict[str, Any]:
    """Read a file whose content is a table of keys: JSON by its suffix, else TOML, or as `parse` does.

    `parse` raises `ValueError` for what it does not understand.
    Raises `ScalectlError` where it cannot be read or parsed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise ScalectlError(f"{path} cannot be read: {reason}.", "Check the path.") from None
    try:
        parse = parse or (json.loads if path.suffix == ".json" else tomllib.loads)
        content = parse(text)
    except RecursionError:
        raise ScalectlError(
            f"{path} cannot be parsed: it is nested too deeply.", "Remove brackets."
        ) from None
    except ValueError as problem:
        # Python's own words name a function that no user of a program can call.
        reason = "a number has too many digits" if "digits" in str(problem) else str(problem)
        raise ScalectlError(f"{path} cannot be parsed: {reason}.", "Mend that line.") from None
    if not isinstance(content, dict):
        raise ScalectlError(f"{path} holds no table of keys.", "See grids/ for examples.")
    return content


def refuse_unknown_keys(content: Mapping[str, Any], model: Any, where: str, path: str = "") -> None:
    """Raise `ScalectlError` for a key, at any depth, that the dataclass `model` does not have."""
    refuse_unknown_fields(content, model, where, path)
    for key, value in content.items():
        part = getattr(model, key)
        if is_dataclass(part) and isinstance(value, dict):
            refuse_unknown_keys(value, part, where, f"{path}{key}.")


def refuse_unknown_fields(content: object, model: Any, where: str, path: str) -> None:
    """Raise `ScalectlError` for a key, at this depth, that the dataclass `model` does not have.

    `path` is what leads to the keys, such as "architecture.".
    """
    known = [field.name for field in fields(model)]
    for key in content if isinstance(content, Mapping) else ():
        if key not in known:
            raise ScalectlError(
                f"{where}: there is no key {path}{key}{did_you_mean(key, known, path)}",
                f"Known are {', '.join(known)}.",
            )


def _refuse_boundless_numbers(content: object, where: str, path: str = "") -> None:
    """Raise `ScalectlError` for infinities, NaN, and whole numbers that no float holds exactly."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            _refuse_boundless_numbers(value, where, f"{path}.{key}" if path else str(key))
    elif isinstance(content, list | tuple):
        for value in content:
            _refuse_boundless_numbers(value, where, path)
    elif isinstance(content, int | float) and not abs(content) <= 2**53:  # nor is NaN
        raise ScalectlError(
            f"{where}: {path} is no finite number that can be computed with.",
            "Give one below 9e15.",
        )


def suggest(word: str, known: Iterable[str]) -> str | None:
    """Return what somebody who wrote `word` probably meant, or None where nothing is close."""
    if len(word) > 100:
        return None
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.65)), None)


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """End a sentence that refuses a word: by what was probably meant, after a prefix; else by "."."""
    close = suggest(word, known)
    return f"; did you mean {prefix}{close}?" if close else "."


def forbid_extra(*kinds: type) -> None:
    """Have `validate` refuse unknown keys of these dataclasses."""
    for kind in kinds:
        # pydantic takes the settings of a plain dataclass from this attribute alone.
        kind.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]


_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def parse_duration(text: str) -> float:
    """Return the seconds of "90s", "45m", "1h30m", "1.5h" or "1d". Raises `ValueError` for others."""
    match = re.fullmatch(
        "".join(rf"(?:([0-9]{{1,6}}(?:\.[0-9]+)?){unit})?" for unit in _SECONDS), text
    )
    seconds = sum(
        float(number) * unit
        for number, unit in zip(match.groups("0") if match else (), _SECONDS.values(), strict=False)
    )
    if not seconds:
        raise ValueError(text)
    return seconds


def humanise(seconds: float) -> str:
    """Put seconds into words, such as "45 seconds", "7 minutes", "2.5 hours" or "3.1 days"."""
    for unit, size, limit in (("second", 1, 100), ("minute", 60, 100), ("hour", 3_600, 48)):
        if seconds < limit * size:
            number = seconds / size
            text = f"{number:.1f}" if unit == "hour" else f"{max(1, round(number))}"
            return f"{text} {unit}{'s' * (text != '1')}"
    return f"{seconds / 86_400:.1f} days"
