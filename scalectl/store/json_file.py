"""Write and read small JSON files, each with its checksum: what cannot be believed is as if not there."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from scalectl.errors import ScalectlError
from scalectl.store import atomic
from scalectl.store.checksum import add_checksum, verify_checksum

T = TypeVar("T")


def write_json(path: Path, content: Mapping[str, object], *, indent: int | None = 1) -> None:
    """Put an object as JSON in the place of an older file. Raises as `atomic.replace` does.

    `indent` is as `json.dumps` takes it; None is shorter, and far quicker for large files.
    """
    text = json.dumps(content, indent=indent)
    atomic.replace(path, add_checksum(text.encode(), ".json"))


def read_json(path: Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
    """Return what `parse` makes of a file's object.

    None where there is no file, where any byte differs from what was written, and where `parse` does
    not find what it looks for, as in the file of another version.
    """
    try:
        return parse(json.loads(verify_checksum(path.read_bytes(), ".json")))
    except (OSError, ValueError, KeyError, TypeError, ScalectlError):
        return None
