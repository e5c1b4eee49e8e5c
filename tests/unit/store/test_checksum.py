import io
import json
import random
import tomllib

import numpy as np
import pyarrow as pa
import pytest
from factories import flip
from pyarrow import parquet

from scalectl.store.checksum import STREAMED, add_checksum, append_checksum, verify_checksum


def parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), buffer)
    return buffer.getvalue()


CONTENTS = {
    ".json": b'{"format": 1}\n',
    ".toml": b'# a grid\nname = "x"\n',
    ".parquet": parquet_bytes(),
    "": np.arange(40, dtype=np.uint8).tobytes(),
}


SEALED = {suffix: add_checksum(content, suffix) for suffix, content in CONTENTS.items()}
SEALED[STREAMED] = b"".join(append_checksum([b"one", b"", b"two"]))


@pytest.mark.parametrize("suffix", SEALED)
def test_every_flipped_bit_is_noticed(suffix: str) -> None:
    """In the content, in the digest, and in what frames it; and every missing or added byte."""
    sealed = SEALED[suffix]
    for position in range(len(sealed)):
        for bit in range(8):
            with pytest.raises(ValueError, match="does not match its sha256"):
                verify_checksum(flip(sealed, position, bit), suffix)
        with pytest.raises(ValueError, match="does not match"):
            verify_checksum(sealed[:position], suffix)
    with pytest.raises(ValueError, match="does not match"):
        verify_checksum(sealed + b"\n", suffix)


@pytest.mark.parametrize("suffix", SEALED)
def test_junk_has_no_seal(suffix: str) -> None:
    dice = random.Random(0)
    for length in (*range(100), 1000, 10_000):
        with pytest.raises(ValueError, match="does not match"):
            verify_checksum(dice.randbytes(length), suffix)


def test_a_sealed_file_is_still_one_of_its_kind() -> None:
    """Its usual readers take it as it is, and find the same in it."""
    sealed = {suffix: verify_checksum(content, suffix) for suffix, content in SEALED.items()}
    assert json.loads(sealed[".json"]).pop("format") == 1
    assert tomllib.loads(sealed[".toml"].decode()) == {"name": "x"}
    table = parquet.ParquetFile(io.BytesIO(sealed[".parquet"]), page_checksum_verification=True)
    assert table.read().to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert sealed[""] == CONTENTS[""]
    assert sealed[STREAMED].startswith(b"onetwo")
