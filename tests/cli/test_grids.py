import tomllib
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from factories import ROOT

from scalectl.arch.baselines.efficientnet import B0
from scalectl.arch.loading import find_baseline
from scalectl.cli import main
from scalectl.search.candidates import enumerate_candidates, shrink
from scalectl.search.config import FIRST_SEEDS, Config, load_config
from scalectl.search.results import read_results

GRIDS = ROOT / "grids"
FILES = sorted(GRIDS.glob("*.toml"))
HEADER = ("# What it asks:", "# How long it takes:", "# What came out:")


def test_the_default_is_the_built_in_one() -> None:
    """With every key written down."""
    text = (GRIDS / "default.toml").read_text()
    assert load_config(GRIDS / "default.toml") == Config()
    for part in (
        Config(),
        Config().design,
        Config().proxy,
        Config().strategy,
        Config().watch,
        Config().resources,
    ):
        for name in (field.name for field in fields(part)):
            assert f"\n{name} = " in text or f"[{name}]" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_grid_says_what_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And loads."""
    text = path.read_text()
    assert all(f"{part}" in text for part in HEADER)
    monkeypatch.chdir(GRIDS.parent)
    assert find_baseline(load_config(path).baseline).name in ("efficientnet_b0", "small_resnet")


def test_shipped_grids_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From anywhere, with the networks that they name; the wheel has the folder."""
    monkeypatch.chdir(tmp_path)
    for path in FILES:
        arguments = ["grid", path.stem, "--dry-run", "--no-probe", "--data", "folder:absent"]
        result = CliRunner().invoke(main, arguments)
        assert "no folder 'absent'" in result.stderr  # everything before was found
    unknown = CliRunner().invoke(main, ["grid", "papre"])
    assert unknown.exit_code == 2
    assert "did you mean paper?" in unknown.stderr
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"grids": "scalectl/grids"}


def test_the_paper_s_lattice() -> None:
    """At step .05 within .1 inclusive: 109 points, which EfficientNet's rounding merges."""
    config = load_config(GRIDS / "paper.toml")
    enumeration = enumerate_candidates(config.design, shrink(B0, config.proxy, 1000), 2**16)
    assert not enumeration.rejected
    proposals = 109 + 6
    assert len(enumeration.candidates) - 1 + enumeration.merged == proposals
    ratios = [candidate.realised_ratio for candidate in enumeration.candidates[1:]]
    assert max(ratios) > 2.5


def test_the_committed_records_are_of_their_grid() -> None:
    """Every network with the first seeds, some with further ones, and the confirmation: all finished."""
    config = load_config(GRIDS / "efficientnet_b0-fashion_mnist.toml")
    results = read_results(GRIDS / "efficientnet_b0-fashion_mnist.parquet")
    card = results.records[0].trial.data
    enumeration = enumerate_candidates(
        config.design, shrink(B0, config.proxy, card.classes), card.native
    )
    trials = [record.trial for record in results.searched]
    trained = {(trial.candidate.fingerprint, trial.seed) for trial in trials}
    networks = {candidate.fingerprint for candidate in enumeration.candidates}
    assert trained >= set(product(networks, range(FIRST_SEEDS)))
    assert {network for network, _ in trained} == networks
    assert len(trained) == len(trials) <= config.seeds * len(networks)
    assert results.selection.status == "identified"
    (confirmation,) = results.confirmations
    for comparison in confirmation.comparisons:
        assert len(comparison.top1.by_seed) == config.confirm.seeds
    assert {record.trial.recipe for record in results.records} == {config.proxy.recipe}
    assert {str(record.state) for record in results.records} == {"done"}
    assert not results.damaged


def test_the_experiment_is_the_one_that_was_written_down() -> None:
    """Every arm at both sizes with as many fresh seeds, on test images; nothing left out."""
    config = load_config(GRIDS / "compound-fashion_mnist.toml")
    results = read_results(GRIDS / "compound-fashion_mnist.parquet")
    first, second = results.confirmations
    assert (first.phi, second.phi) == config.confirm.phis
    assert {confirmation.reference.control for confirmation in results.confirmations} == {"dwr"}
    singles = ["depth", "width", "resolution"]
    # At the smaller size dwr and paper are the same network.
    assert [comparison.control.control for comparison in first.comparisons] == singles
    assert [comparison.control.control for comparison in second.comparisons] == [*singles, "paper"]
    for comparison in (*first.comparisons, *second.comparisons):
        assert len(comparison.top1.by_seed) == config.confirm.seeds
    assert {str(record.state) for record in results.records} == {"done"}
    assert not results.damaged
