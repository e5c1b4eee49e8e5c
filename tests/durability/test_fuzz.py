"""Whatever is typed or written in a file: a documented exit code, one sentence, no traceback."""

import json
import string
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from factories import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalectl.analysis.preference import Preference
from scalectl.analysis.selection import select
from scalectl.cli import main
from scalectl.errors import ScalectlError
from scalectl.search.config import Config, Design, Proxy, Watch, load_config
from scalectl.store.reader import read
from scalectl.trial import Record, State

fuzz = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CODES = {0, 2, 3}
DEFAULT = (ROOT / "grids" / "default.toml").read_text()


def check(*arguments: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in CODES, result.output
    if result.exit_code:
        error = result.stderr[result.stderr.index("Error: ") :]
        assert len(error.splitlines()) == 1, error


def explain(load: Callable[[], Config], *, default: str) -> str:
    """Why it does not load, in one sentence for the user; no other exception is an answer."""
    try:
        load()
    except ScalectlError as problem:
        return problem.message
    return default


@fuzz
@given(content=st.binary(max_size=400))
def test_any_bytes_as_a_grid_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_bytes(content)
    check("grid", str(path), "--dry-run", "--no-probe")


@fuzz
@given(
    position=st.integers(0, len(DEFAULT) - 1),
    length=st.integers(0, 20),
    text=st.text(max_size=20),
)
def test_a_grid_file_with_a_hole(position: int, length: int, text: str, tmp_path: Path) -> None:
    """The default one, in which a part was written over: it loads, or the place is said."""
    path = tmp_path / "grid.toml"
    path.write_bytes((DEFAULT[:position] + text + DEFAULT[position + length :]).encode())
    assert "grid.toml" in explain(lambda: load_config(path), default="grid.toml")


KEYS = [
    *(f"design.{field.name}" for field in fields(Design)),
    *(f"proxy.{field.name}" for field in fields(Proxy)),
    *(f"watch.{field.name}" for field in fields(Watch)),
    "seeds",
    "baseline",
    "design",
    "proxy.",
    "",
]
VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda flag: str(flag).lower()),
    st.text(max_size=10),
    st.sampled_from(["[]", "{}", "[1, 2]", "{x = 1}", "nan", "inf", "'x'", "1979-05-27", "1_0"]),
)


@fuzz
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_of_any_key(key: str, value: str) -> None:
    assert explain(lambda: load_config(None, [f"{key}={value}"]), default="it loads")


TYPED = st.text(string.printable, min_size=1, max_size=12).filter(lambda text: ":" not in text)


@fuzz
@given(
    option=st.sampled_from(
        ["--phi", "--macs", "--params", "--activations", "--official", "--coefficients"]
    ),
    text=TYPED,
)
def test_any_text_for_an_option_of_scale(option: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    how_large = ["--phi", "1"] if option == "--coefficients" else []
    check("scale", f"{option}={text}", *how_large)


@fuzz
@given(text=TYPED)
def test_any_text_for_a_baseline_a_run_or_data(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    check("profile", "--", text)
    check("report", "--", text)
    check("scale", "--phi", "1", f"--from={text}")
    check("grid", "--dry-run", "--no-probe", f"--data=folder:{text}")
    check("grid", "--dry-run", "--no-probe", f"--device={text}")


@fuzz
@given(content=st.binary(max_size=300))
def test_any_bytes_as_a_run_or_a_config(content: bytes, tmp_path: Path) -> None:
    """Named as damaged, or as what it is not."""
    for name in ("x.parquet", "x.json", "x.toml"):
        (tmp_path / name).write_bytes(content)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "x.parquet")])
    assert result.exit_code == 3
    assert "1 that are damaged" in result.stderr
    for name in ("x.json", "x.toml"):
        check("profile", str(tmp_path / name))
        check("verify", str(tmp_path / name))
        check("scale", "--phi", "1", "--baseline", str(tmp_path / name))


RECORDS = read(ROOT / "grids" / "efficientnet_b0-fashion_mnist.parquet").records


@settings(fuzz, max_examples=15)
@given(
    order=st.permutations(range(len(RECORDS))),
    failed=st.lists(
        st.sampled_from([state for state in State if state is not State.DONE]), max_size=6
    ),
)
def test_neither_order_nor_failures_decide_the_choice(
    order: list[int], failed: list[State]
) -> None:
    """Failed trials are never ranked; a choice is a function of the set of records."""
    kept = RECORDS[len(failed) :]
    lost = [
        replace(record, state=state, top1=None, loss=None)
        for record, state in zip(RECORDS, failed, strict=False)
    ]
    mixed = [[*kept, *lost][number] for number in order]
    assert brief(mixed) == brief(kept)


def brief(records: Sequence[Record]) -> str:
    selection = select(records, Preference())
    argmax = selection.argmax and selection.argmax.candidate.fingerprint
    winner = selection.winner and selection.winner.candidate.fingerprint
    return json.dumps([selection.status, argmax, winner, str(selection.recommended)])
