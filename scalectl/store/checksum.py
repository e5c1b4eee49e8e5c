"""A SHA-256 checksum inside each file, so that no flipped bit is ever believed.

Parquet's own checks let about half of all flipped bits through as wrong numbers; JSON, TOML, tensors
and images have no check at all. Each format carries the checksum, as hexadecimal text, in a place that
its usual readers ignore: JSON as a first key, TOML as a first comment, Parquet before its footer,
files with the suffix `STREAMED` at the end, and all others at the start.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

CHECKSUM_BYTES = 64
STREAMED = ".rows"
"""Suffix of files that are too large for memory, and are written in chunks."""
_JSON, _TOML = b'{"sha256": "', b"# sha256 "


def add_checksum(content: bytes, suffix: str) -> bytes:
    """Return the content of a file named with `suffix`, with its checksum in it.

    JSON must be an object.
    """
    if suffix == ".json":
        head, tail = _JSON, b'", ' + content.lstrip()[1:]
    elif suffix == ".toml":
        head, tail = _TOML, b"\n" + content
    else:
        start = _find_footer(content) if suffix == ".parquet" else 0
        head, tail = content[:start], content[start:]
    return head + _compute(head, tail) + tail


def append_checksum(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a `STREAMED` file, and its checksum last."""
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    yield digest.hexdigest().encode()


def verify_checksum(content: bytes, suffix: str) -> bytes:
    """Return what the usual reader of a file with `suffix` takes; without a suffix, the bare content.

    Raises `ValueError` if any byte differs from what was written.
    """
    _verify(memoryview(content), suffix)
    return content if suffix in _PLACES else content[CHECKSUM_BYTES:]


def map_verified(path: Path) -> memoryview:
    """Map a file of any size into memory, for as long as the view lives, and verify its checksum.

    Raises `OSError`, and `ValueError` if any byte differs from what was written.
    """
    with path.open("rb") as file:
        content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    _verify(content, path.suffix)
    return content


def _verify(content: memoryview, suffix: str) -> None:
    start = _PLACES[suffix](content) if suffix in _PLACES else 0
    end = start + CHECKSUM_BYTES
    if start < 0 or content[start:end] != _compute(content[:start], content[end:]):
        raise ValueError("its content does not match its sha256")


def _compute(head: bytes | memoryview, tail: bytes | memoryview) -> bytes:
    digest = sha256(head)
    digest.update(tail)
    return digest.hexdigest().encode()


def _find_footer(content: bytes | memoryview) -> int:
    """Return where a Parquet file's footer begins: its length precedes the last four bytes."""
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


_PLACES: dict[str, Callable[[memoryview], int]] = {
    ".json": lambda _content: len(_JSON),
    ".toml": lambda _content: len(_TOML),
    ".parquet": lambda content: _find_footer(content) - CHECKSUM_BYTES,
    STREAMED: lambda content: len(content) - CHECKSUM_BYTES,
}
"""Suffix -> where the checksum begins; at the start for all others."""
