from pathlib import Path

import pytest
from factories import flip

from scalectl.errors import ScalectlError
from scalectl.store.json_file import read_json, write_json


@pytest.mark.parametrize("indent", [1, None])
def test_what_is_written_is_read(indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "content.json"
    write_json(path, {"numbers": [1, 2.5], "name": "é"}, indent=indent)
    assert read_json(path, lambda content: (content["numbers"], content["name"])) == ([1, 2.5], "é")


def test_a_flipped_bit_is_as_if_there_were_no_file(tmp_path: Path) -> None:
    path = tmp_path / "content.json"
    assert read_json(path, dict) is None
    write_json(path, {"number": 1})
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(flip(content, place))
        assert read_json(path, dict) is None


def test_what_another_version_wrote_is_as_if_there_were_no_file(tmp_path: Path) -> None:
    path = tmp_path / "content.json"
    write_json(path, {"number": "one"})
    assert read_json(path, lambda content: content["count"]) is None
    assert read_json(path, lambda content: int(content["number"])) is None
    assert read_json(path, lambda _: _refuse()) is None


def _refuse() -> None:
    raise ScalectlError("There is no such network.")
