from pathlib import Path

import pytest

from scalectl.baselines.efficientnet import B0
from scalectl.documents import load_architecture
from scalectl.errors import ScalectlError
from scalectl.exports import EXPORTS, make_export
from scalectl.family import Size, official_size, size_at
from scalectl.scaling import NAMED

SIZES = [
    size_at(B0, NAMED["paper"], 3.5, "paper"),
    size_at(B0, NAMED["depth"], 1, 'a "run"\n'),
    official_size("b2"),
]


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_what_is_emitted_is_what_was_scaled(name: str, size: Size, tmp_path: Path) -> None:
    """Built from the file where it will be used."""
    export = make_export(name)
    path = tmp_path / f"{size.name}{export.suffix}"
    path.write_text(export.emit(size))
    result = export.verify(path)
    assert result.ok
    assert result.params == size.cost.params


@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_with_a_wrong_number_is_found_out(name: str, tmp_path: Path) -> None:
    """The claim is compared with the network."""
    export, size = make_export(name), SIZES[0]
    path = tmp_path / f"{size.name}{export.suffix}"
    text = export.emit(size)
    assert str(size.cost.params) in text
    path.write_text(text.replace(str(size.cost.params), "1234567"))
    assert not export.verify(path).ok


@pytest.mark.parametrize("name", ["json", "toml"])
def test_an_emitted_config_is_a_baseline(name: str, tmp_path: Path) -> None:
    """Closure."""
    export = make_export(name)
    path = tmp_path / f"size{export.suffix}"
    path.write_text(export.emit(SIZES[0]))
    assert load_architecture(path) == SIZES[0].architecture


def test_an_unusable_name_is_refused() -> None:
    """Names become Python; nothing else may."""
    from dataclasses import replace

    architecture = replace(B0, name="x(); import os")
    with pytest.raises(ScalectlError, match="cannot be the name"):
        make_export("timm").emit(size_at(architecture, NAMED["paper"], 1, "paper"))
