"""What README and docs/ show is what commands print; `python tests/cli/test_readme.py` writes it anew."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from scalectl.cli import main
from scalectl.commands import load_command
from scalectl.report import figures
from scalectl.search.results import read_results
from scalectl.store.parquet import SCHEMA

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
IMAGES = DOCS / "images"

_WIDTH = 100
_TERMINAL = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "dumb", "LINES": "40"}
_EXAMPLE = re.compile(r"(?<=```console\n)\$ (.+)\n(?:.*\n)*?(?=```)")
_TABLE = re.compile(r"(?<=<!-- )(scalectl .+)( -->\n)(?:.*\n)*?(?=<!-- end -->)")


def answer(line: str, folder: Path, *, width: int | None) -> str:
    """What the command prints, on both streams, where the only folder is grids/.

    With a width, as on a terminal of so many columns without colours.
    """
    program, *arguments = shlex.split(line)
    assert program == "scalectl"
    terminal = {**_TERMINAL, "COLUMNS": str(width)} if width else {}
    result = subprocess.run(
        [sys.executable, "-m", "scalectl", *arguments],
        cwd=folder,
        env={**os.environ, **terminal},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return wrap(result.stdout, width) if width else result.stdout


def wrap(text: str, width: int) -> str:
    lines = (
        textwrap.wrap(line, width) if len(line) > width else [line] for line in text.split("\n")
    )
    return "\n".join(part.rstrip() for parts in lines for part in parts or [""])


def fill(text: str) -> str:
    """The page with the output of each of its examples as it is now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grids").symlink_to(ROOT / "grids")
        text = _EXAMPLE.sub(lambda m: f"$ {m[1]}\n{answer(m[1], folder, width=_WIDTH)}", text)
        return _TABLE.sub(lambda m: f"{m[1]}{m[2]}{answer(m[1], folder, width=None)}", text)


def draw_overview() -> dict[str, bytes]:
    """Draw the picture of the committed search, for light and dark pages."""
    results = read_results(ROOT / "grids" / "efficientnet_b0-fashion_mnist.parquet")
    drawn = figures.draw("overview", results)
    assert drawn.figure
    svg = figures.encode(drawn.figure, "svg")
    return {"overview.svg": svg, "overview-dark.svg": figures.darken(svg)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_outputs_are_those_of_the_commands(page: Path) -> None:
    """Every example, and every table from committed records."""
    text = page.read_text()
    assert fill(text) == text
    if page == README:
        assert len(_EXAMPLE.findall(text)) == 3


def test_the_picture_is_drawn_from_the_committed_records() -> None:
    """Its words are compared: in other versions of matplotlib lines may lie a pixel beside."""
    for name, svg in draw_overview().items():
        shown = (IMAGES / name).read_text()
        words = re.compile(r"<text[^>]*>([^<]+)</text>")
        assert words.findall(shown) == words.findall(svg.decode())
        assert "IDENTIFIED: (alpha, beta, gamma) = (1, 1, 1.414)" in shown


def list_blocks(language: str) -> Iterator[tuple[str, str]]:
    """Page and content of every block in a language."""
    for page in PAGES:
        for block in re.findall(
            rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL
        ):
            yield str(page.relative_to(ROOT)), block


def list_commands() -> Iterator[tuple[str, str]]:
    """Page and line of every command of scalectl, in blocks and in running text."""
    for page, block in list_blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line.partition("#")[0]):
                match = re.match(r"\s*(?:\w+=\S+ )*(scalectl .+)", part)
                if match:
                    yield page, match[1].strip()
    for path in PAGES:
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for line in re.findall(r"`(scalectl [a-z]+ [^`]+)`", prose):
            if "..." not in line:
                yield str(path.relative_to(ROOT)), line.replace("\n", " ")


def test_every_command_is_one_that_is_taken() -> None:
    """Commands that are not run for their output are parsed, with their options."""
    lines = list(list_commands())
    assert len(lines) >= 20
    for page, line in lines:
        _, name, *arguments = shlex.split(line)
        if name in main.list_commands(click.Context(main)):
            try:
                load_command(name).make_context(name, arguments)
            except click.exceptions.Exit:  # --help
                continue
            except click.ClickException as problem:
                pytest.fail(f"{page}: {line}: {problem.format_message()}")


def test_every_python_block_compiles() -> None:
    blocks = list(list_blocks("python"))
    assert blocks
    for page, block in blocks:
        compile(block, page, "exec")


def test_the_readme_is_short_and_the_checks_are_its_own() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert max(map(len, text.splitlines())) <= 120
    shell = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert shell[0].splitlines()[0] == "python -m pip install . && scalectl grid"
    checks = "python -m pip install nox && nox"
    assert checks in [line for block in shell for line in block.splitlines()]
    assert checks in (ROOT / ".ci" / "run").read_text().splitlines()


def test_links_of_the_readme_lead_somewhere() -> None:
    """Those of the documentation are checked where the site is built."""
    links = re.findall(r"(?:\]\(|srcset=\"|src=\")([^)\"]+)", README.read_text())
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_columns_of_files_are_those_that_are_written() -> None:
    """By name and type, in order."""
    text = (DOCS / "reference" / "parquet.md").read_text()
    columns = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| .+ \|$", text, re.MULTILINE)
    words = {"list<item: double>": "list of double", "list<element: double>": "list of double"}
    kinds = [str(field.type) for field in SCHEMA]
    assert columns == list(zip(SCHEMA.names, (words.get(k, k) for k in kinds), strict=True))


def test_each_promise_has_its_test() -> None:
    """There are fourteen, and each names tests that exist."""
    page = DOCS / "promises.md"
    sections = re.findall(
        r"^## (\d+)\. (.+)\n((?:(?!## ).*\n)+)", page.read_text(), flags=re.MULTILINE
    )
    assert [int(number) for number, _, _ in sections] == list(range(1, 15))
    for _, _, text in sections:
        links = re.findall(r"\]\((.+?)\)", text.partition("Held by: ")[2])
        assert links
        assert all((page.parent / link).is_file() for link in links)


def test_networks_written_by_hand_are_networks(tmp_path: Path) -> None:
    """They load, and cost what they build; grid files load."""
    from scalectl.arch.counter import count_cost
    from scalectl.arch.factory import cost_of
    from scalectl.arch.loading import load_network
    from scalectl.nn.build import build_on_meta
    from scalectl.search.config import load_config

    networks = 0
    for _, text in list_blocks("toml"):
        (tmp_path / "my_net.toml").write_text(text)
        if "architecture" not in tomllib.loads(text):
            load_config(tmp_path / "my_net.toml")
            continue
        networks += 1
        network = load_network(tmp_path / "my_net.toml")
        assert network.name == "my_net"
        assert count_cost(build_on_meta(network), network.resolution)[0] == cost_of(network)
    assert networks


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fill(page.read_text()))
    for name, svg in draw_overview().items():
        (IMAGES / name).write_bytes(svg)
