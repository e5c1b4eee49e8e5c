from pathlib import Path

import pytest
from factories import RECORDS
from module_probe import PROBE, list_modules

HEAVY = ("torch", "timm", "optuna", "pyarrow.dataset", "torchvision", "matplotlib")


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "grid --help",
        "scale --phi 4",
        "scale --official b4",
        "scale --macs 1G",
        "profile b4 --per-stage",
        "baselines",
        f"report {RECORDS}",
    ],
)
def test_light_commands_load_nothing_heavy(line: str, tmp_path: Path) -> None:
    """They answer at once."""
    loaded = list_modules(PROBE, *line.split(), folder=tmp_path)
    assert "scalectl.cli" in loaded
    assert not loaded & set(HEAVY)


def test_numbers_alone_need_no_libraries_for_them(tmp_path: Path) -> None:
    """A size is arithmetic; what checks and stores files is loaded where there are any."""
    loaded = list_modules(PROBE, "scale", "--phi", "4", folder=tmp_path)
    assert not loaded & {"numpy", "pyarrow", "pydantic", "scipy"}


def test_a_page_is_drawn_without_windows(tmp_path: Path) -> None:
    """Nor does it load what trains."""
    loaded = list_modules(PROBE, "report", str(RECORDS), "--html", "page.html", folder=tmp_path)
    assert "matplotlib.figure" in loaded
    assert not loaded & {"matplotlib.pyplot", "torch", "timm", "optuna", "tkinter"}


CORE = (
    "arch.architecture",
    "arch.scaling",
    "arch.cost",
    "arch.factory",
    "arch.sizes",
    "trial",
    "errors",
)


def test_the_core_is_pure(tmp_path: Path) -> None:
    """Arithmetic on frozen values, whatever trains or stores."""
    script = (
        f"import json, sys\nfor name in {CORE}: __import__('scalectl.' + name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = list_modules(script, folder=tmp_path)
    assert not loaded & {*HEAVY, "pyarrow", "click", "rich", "numpy", "scipy", "pydantic"}
