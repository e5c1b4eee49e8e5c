"""README's outputs are those of its commands; `python tests/cli/test_readme.py` writes them anew."""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_EXAMPLE = re.compile(r"(?<=```console\n)\$ (.+)\n(?:.*\n)*?(?=```)")
_TABLE = re.compile(r"(?<=<!-- )(scalectl .+)( -->\n)(?:.*\n)*?(?=<!-- end -->)")


def answer(line: str, folder: Path) -> str:
    """What the command prints, on both streams, where the only folder is grids/."""
    program, *arguments = shlex.split(line)
    assert program == "scalectl"
    command = [sys.executable, "-m", "scalectl", *arguments]
    result = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    return result.stdout


def fill(text: str) -> str:
    """The README with the output of each of its examples as it is now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grids").symlink_to(ROOT / "grids")
        text = _EXAMPLE.sub(lambda match: f"$ {match[1]}\n{answer(match[1], folder)}", text)
        return _TABLE.sub(lambda match: f"{match[1]}{match[2]}{answer(match[1], folder)}", text)


def test_outputs_are_those_of_the_commands() -> None:
    """Every example, and the result table from the committed records."""
    text = README.read_text()
    assert len(_EXAMPLE.findall(text)) >= 4
    assert len(_TABLE.findall(text)) == 1
    assert fill(text) == text


def test_the_readme_is_short_and_the_checks_are_its_own() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 300
    shell = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert shell[0].splitlines()[0] == "python -m pip install . && scalectl grid"
    checks = "python -m pip install nox && nox"
    assert checks in [line for block in shell for line in block.splitlines()]
    assert checks in (ROOT / ".ci" / "run").read_text().splitlines()


def test_each_promise_has_its_test() -> None:
    """The README's fourteen are those of docs/promises.md, where each names tests that exist."""
    page = ROOT / "docs" / "promises.md"
    published = re.findall(r"^(\d+)\. \*\*(.+?)\.?\*\*", README.read_text(), flags=re.MULTILINE)
    sections = re.findall(
        r"^## (\d+)\. (.+)\n((?:(?!## ).*\n)+)", page.read_text(), flags=re.MULTILINE
    )
    assert [(number, title) for number, title, _ in sections] == published
    assert [int(number) for number, _ in published] == list(range(1, 15))
    for _, _, text in sections:
        links = re.findall(r"\]\((.+?)\)", text.partition("Held by: ")[2])
        assert links
        assert all((page.parent / link).is_file() for link in links)


def test_its_network_written_by_hand_is_one(tmp_path: Path) -> None:
    """It loads, and costs what it builds."""
    from scalectl.arch.counter import count_cost
    from scalectl.arch.factory import cost_of
    from scalectl.arch.loading import load_network
    from scalectl.nn.build import build_on_meta

    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (tmp_path / "my_net.toml").write_text(text)
    network = load_network(tmp_path / "my_net.toml")
    assert network.name == "my_net"
    assert count_cost(build_on_meta(network), network.resolution)[0] == cost_of(network)


if __name__ == "__main__":
    README.write_text(fill(README.read_text()))
