from pathlib import Path

import pytest

from scalectl.arch.loading import find_baseline
from scalectl.errors import ScalectlError
from scalectl.search.config import Config, dump_config, load_config


def test_a_grid_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    changed = load_config(None, ["proxy.epochs=3", "design.kind=lattice", "proxy.data=folder:x"])
    assert (changed.proxy.epochs, changed.design.kind) == (3, "lattice")
    path.write_text(dump_config(changed))
    assert load_config(path) == changed
    assert load_config(None) == Config()


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("seeds = 3\n[proxy]\nepochs = 5\n")
    config = load_config(path, ["proxy.epochs=7"])
    assert (config.seeds, config.proxy.epochs) == (3, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = '3'", "seeds"),
        ("seeds = true", "seeds"),
        ("[proxy]\nwidth = 0", r"proxy\.width"),
        ("[proxy]\nlearning_rate = nan", r"proxy\.learning_rate"),
        ("[design]\nkind = 'circle'", r"design\.kind"),
        ("design = 3", "design"),
        ("[proxy]\nresolutoin = 3", "did you mean proxy.resolution"),
        ("= 3", "cannot be parsed"),
    ],
)
def test_mistakes_are_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ScalectlError, match=message) as caught:
        load_config(path)
    assert "wrong.toml" in str(caught.value)


def test_a_file_that_is_no_config_is_no_baseline(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("seeds = 3")
    with pytest.raises(ScalectlError, match=r"has no \[architecture\]"):
        find_baseline(str(path))
    path.write_text("[architecture]\nname = 'x'")
    with pytest.raises(ScalectlError, match=r"x\.toml: resolution"):
        find_baseline(str(path))
