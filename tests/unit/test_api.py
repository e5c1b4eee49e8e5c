import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from factories import RECORDS, TINY
from module_probe import list_modules

import scalectl as sc
from scalectl import api
from scalectl.arch.sizes import size_at
from scalectl.exports import verify
from scalectl.store.parquet import SCHEMA


@pytest.fixture(scope="module")
def run() -> sc.Run:
    return sc.open_run(RECORDS)


def test_the_package_offers_what_the_api_does() -> None:
    assert sc.__all__ == api.__all__
    assert set(dir(sc)) >= set(api.__all__)
    assert sc.__version__
    with pytest.raises(AttributeError, match="no attribute 'grid'"):
        sc.grid  # noqa: B018


def test_importing_it_loads_nothing_heavy(tmp_path: Path) -> None:
    """A size needs arithmetic alone; and `search` stays the function whatever is imported."""
    script = (
        "import json, sys, scalectl as sc\n"
        "assert sc.scale(phi=1).phi == 1\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert not list_modules(script, folder=tmp_path) & {"torch", "timm", "numpy", "pyarrow"}
    from scalectl.search import engine  # noqa: F401

    assert sc.search is api.search


def test_a_run_is_a_verdict_records_and_figures(run: sc.Run) -> None:
    assert run.verdict.status == "identified"
    assert str(run).startswith("IDENTIFIED. Recommended: (alpha, beta, gamma) = (1, 1, 1.414)")
    assert run.records.schema == SCHEMA
    frame = run.records.to_pandas()
    assert frame.shape == (len(run.records), len(SCHEMA))
    searched = frame[frame["stage"] == "search"]
    best = searched.groupby(["alpha", "beta", "gamma"])["loss"].mean().idxmin()
    assert sc.Coefficients(*best) == run.verdict.coefficients
    svg = run.figure("costs")._repr_svg_()
    assert svg
    assert "<svg" in svg
    missing = run.figure("latency")
    assert missing.figure is None
    assert missing._repr_svg_() is None
    with pytest.raises(sc.ScalectlError, match="no figure 'trianlge'"):
        run.figure("trianlge")


def test_sizes_are_those_of_the_command(run: sc.Run, tmp_path: Path) -> None:
    """By phi or a budget; of a baseline, or of a run's with its rounding; written and verified."""
    verdict = run.verdict
    ours = run.scale(phi=2)
    expected = size_at(verdict.scaled_baseline, verdict.coefficients, 2, str(RECORDS))
    assert (ours.architecture, ours.cost) == (expected.architecture, expected.cost)
    budget = sc.scale("resnet50", macs=10e9, classes=10)
    assert 0.9e10 < budget.cost.macs <= 1e10
    exact = sc.scale(coefficients=(1.2, 1.1, 1.15), phi=1)
    assert exact.architecture == sc.scale(phi=1).architecture
    written = sc.scale("mobilenetv2_100", phi=0, classes=10).export("torch", tmp_path)
    assert written.verified
    assert verify(Path(str(written.path)))[1].ok


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (sc.scale, "said by one of phi"),
        (lambda: sc.scale(phi=1, macs=1e9), "said by one of phi"),
        (lambda: sc.scale(phi=1, coefficients="papre"), "no coefficients named"),
        (lambda: sc.scale("convnext_tiny", phi=1).export("pycls"), "pycls"),
        (lambda: sc.open_run("absent"), "absent"),
        (lambda: sc.search("papre"), "did you mean paper"),
        (lambda: sc.search(overrides={"proxy.epoch": 1}), "no key proxy.epoch"),
    ],
)
def test_wrong_input_is_one_sentence(call: Callable[[], object], message: str) -> None:
    with pytest.raises(sc.ScalectlError, match=message):
        call()


def test_a_plain_script_searches(tmp_path: Path) -> None:
    """Without a guard of its main module; its events end with the conclusion, and it continues."""
    script = f"""
import scalectl as sc

overrides = dict(item.split("=") for item in {TINY!r})
overrides = {{key: float(value) if "." in value else int(value) for key, value in overrides.items()}}
search = sc.search(output="run", overrides=overrides)
names = [type(event).__name__ for event in search]
again = sc.search(output="run", overrides=overrides).finish()
print(names[0], names.count("Record"), names[-1], again.records.num_rows, again.verdict.status)
"""
    (tmp_path / "script.py").write_text(script)
    result = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["Begun", "5", "Concluded", "5", "not_identified"]
