"""A file's own digest inside the file, so that no flipped bit is ever believed (PROMISES 6).

Parquet alone gives a silently wrong number for about half of all flipped bits; JSON, TOML, tensors
and images have no check at all. Each kind carries the sha256 of all its other bytes in a place that
its usual readers do not mind.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

LENGTH = 64
"""Bytes of a digest."""
_JSON, _TOML = b'{"sha256": "', b"# sha256 "
LONG = ".rows"
"""Suffix of files that are too long to hold: their digest comes last."""


def seal(content: bytes, suffix: str) -> bytes:
    """The content with its digest in it.

    By the suffix of its name: a JSON object gets a first key, TOML a first comment, Parquet a gap
    before its footer, to which no offset points. What has no suffix begins with the bare digest.
    """
    if suffix == ".json":
        head, tail = _JSON, b'", ' + content.lstrip()[1:]
    elif suffix == ".toml":
        head, tail = _TOML, b"\n" + content
    else:
        start = _find_footer(content) if suffix == ".parquet" else 0
        head, tail = content[:start], content[start:]
    return head + _digest(head, tail) + tail


def seal_long(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks of a file with the suffix `LONG`, and its digest."""
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    yield digest.hexdigest().encode()


def unseal(content: bytes, suffix: str) -> bytes:
    """What readers of that kind take; without a suffix the content that was sealed.

    Raises `ValueError` where any byte is not what was written.
    """
    prove(memoryview(content), suffix)
    return content if suffix in _PLACES else content[LENGTH:]


def prove(content: memoryview, suffix: str) -> None:
    """Raises `ValueError` where any byte is not what was sealed. Nothing is copied."""
    start = _PLACES[suffix](content) if suffix in _PLACES else 0
    end = start + LENGTH
    if start < 0 or content[start:end] != _digest(content[:start], content[end:]):
        raise ValueError("its content does not match its sha256")


def map_proven(path: Path) -> memoryview:
    """A file of any length where it lies on the disk, as long as the view lives.

    Raises `OSError`, and `ValueError` where any byte is not what was sealed.
    """
    with path.open("rb") as file:
        content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    prove(content, path.suffix)
    return content


def _digest(head: bytes | memoryview, tail: bytes | memoryview) -> bytes:
    digest = sha256(head)
    digest.update(tail)
    return digest.hexdigest().encode()


def _find_footer(content: bytes | memoryview) -> int:
    """Where the footer of a Parquet file begins: its length stands before the last four bytes."""
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


_PLACES: dict[str, Callable[[memoryview], int]] = {
    ".json": lambda _content: len(_JSON),
    ".toml": lambda _content: len(_TOML),
    ".parquet": lambda content: _find_footer(content) - LENGTH,
    LONG: lambda content: len(content) - LENGTH,
}
"""Where the digest begins, by suffix; at the start for all others."""
