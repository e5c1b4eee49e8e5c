"""What scalectl never does, whatever it is given (docs/promises.md, 11, 12)."""

import ast
import base64
import getpass
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from factories import TINY
from PIL import Image
from pyarrow import parquet

import scalectl
from scalectl.cli import main
from scalectl.report import render
from scalectl.report.tables import Column, Table
from scalectl.search.plan import Plan
from scalectl.store.writer import Store
from scalectl.trial import Record, State

PACKAGE = Path(scalectl.__file__).parent
OPTIONS = [part for override in TINY for part in ("--set", override)]

_WATCHED = """
import json, os, sys
import torch._dynamo  # which looks around while it is loaded
import matplotlib.font_manager  # which keeps a list of fonts in a cache of its own
from click.testing import CliRunner
from scalectl.cli import main

inside = os.path.realpath(sys.argv[1])
seen = []
active = False

FORBIDDEN = (
    "pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen",
    "socket.connect", "socket.getaddrinfo", "socket.bind", "shutil.unpack_archive", "os.chmod",
)
NAMING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink")


def is_outside(path):
    if isinstance(path, int) or path is None or os.fspath(path) == os.devnull:
        return False
    return not os.path.realpath(os.fsdecode(path)).startswith(inside + os.sep)


def watch(event, arguments):
    if not active:
        return
    if event in FORBIDDEN:
        seen.append([event, repr(arguments)[:200]])
    elif event == "open":
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not isinstance(path, int) and is_outside(path):
            seen.append([event, repr(arguments)[:200]])
    elif event in NAMING:
        paths = arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]
        if any(map(is_outside, paths)):
            seen.append([event, repr(arguments)[:200]])


sys.addaudithook(watch)
os.chdir(inside)
for line in json.loads(sys.argv[2]):
    active = True
    result = CliRunner().invoke(main, line.split())
    active = False
    assert result.exit_code == 0, (line, result.output)
print(json.dumps(seen))
"""


def watch(folder: Path, lines: list[str]) -> list[list[str]]:
    """The forbidden events of commands that run in a folder."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder)}
    command = [sys.executable, "-c", _WATCHED, str(folder), json.dumps(lines)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    seen: list[list[str]] = json.loads(result.stdout.splitlines()[-1])
    return seen


def test_nothing_is_unpickled_called_or_written_outside(tmp_path: Path) -> None:
    """By the whole command set: no pickle, no network, no program, no file but its own."""
    run = f"grid -o runs/one --executor inline {' '.join(OPTIONS)}"
    lines = [
        f"{run} --dry-run",
        run,
        run,
        "report",
        "report --format markdown",
        "report --format csv",
        "report --json",
        "report --html page.html --figures figures",
        "scale --phi 2 --to json --to toml -o configs",
        "scale --official b4 --json",
        "profile b0 --per-stage",
        "verify configs/efficientnet_b0_phi2.json",
        "baselines",
        "baselines resnet50 --json",
    ]
    assert watch(tmp_path, lines) == []


def test_the_watch_would_tell(tmp_path: Path) -> None:
    """A factory that does what it should not is seen."""
    (tmp_path / "evil_nets.py").write_text(
        "import os, pathlib, pickle, socket\n"
        "def build(**_):\n"
        "    pathlib.Path('../escaped').touch()\n"
        "    pickle.loads(pickle.dumps(pathlib.Path('x')))\n"
        "    os.system('true')\n"
        "    raise ValueError\n"
    )
    script = _WATCHED.replace("assert result.exit_code == 0", "assert result.exit_code == 2")
    # Here, not in the process that is made for it.
    script = script.replace(
        "sys.addaudithook",
        "from scalectl.arch import counting, users_code\n"
        "counting.ask = lambda task, *arguments: getattr(users_code, task)(*arguments)\n"
        "sys.addaudithook",
    )
    command = [sys.executable, "-c", script, str(tmp_path), '["profile evil_nets:build"]']
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    events = {event for event, _ in json.loads(result.stdout.splitlines()[-1])}
    assert events >= {"open", "pickle.find_class", "os.system"}


BANNED_MODULES = ("pickle", "cPickle", "dill", "shelve", "marshal", "yaml", "tarfile", "zipfile")
BANNED_FUNCTIONS = ("eval", "exec", "compile", "__import__")
BANNED_METHODS = ("unpack_archive", "extractall")
YAML = {"pycls_file.py"}
"""Reads YAML that others wrote, by `safe_load`, which makes plain values alone."""
CLOCKS = {"remembered.py"}
"""What is remembered of a folder's images is no part of a run, and must know how new a file is."""
BANNED_NAMES = ("os.system", "os.popen", "time.time", "datetime.now", "torch.load")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_code_has_no_way_to(path: Path) -> None:
    """No pickle, no eval, no archive, no shell; and no clock that could decide anything."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            banned = {*BANNED_MODULES} - ({"yaml"} if path.name in YAML else set())
            assert not {name.partition(".")[0] for name in names} & banned
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in BANNED_FUNCTIONS, f"line {node.lineno}: {called.id}"
            if isinstance(called, ast.Attribute):
                assert called.attr not in BANNED_METHODS, f"line {node.lineno}: {called.attr}"
                is_clock = ast.unparse(called) == "time.time" and path.name in CLOCKS
                assert is_clock or ast.unparse(called) not in BANNED_NAMES
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            assert "shell" not in keywords
            pickles = keywords.get("allow_pickle")
            assert pickles is None or getattr(pickles, "value", None) is False


def read_everything(run: Path) -> str:
    """Every byte of a run, and the values of its compressed files."""
    texts = []
    for path in run.rglob("*"):
        texts.append(str(path.relative_to(run)))
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            texts.append(repr(parquet.read_table(path).to_pylist()))
    return "\n".join(texts)


def test_a_run_names_no_user_no_host_and_no_secret(tmp_path: Path) -> None:
    """Not from the environment, the command line, the data's place, or a trial's last words."""
    home = tmp_path / "home_of_canary"
    for name in ("cat", "dog"):
        (home / "pets" / name).mkdir(parents=True)
        for index in range(40):
            Image.new("L", (24, 24), 3 * index + len(name)).save(
                home / "pets" / name / f"{index}.png"
            )
    (home / "sad_nets.py").write_text(
        "import os\nfrom pathlib import Path\nfrom torch import nn\n\n\n"
        "class Sad(nn.Flatten):\n"
        "    def forward(self, images):\n"
        "        if len(images) > 2:  # neither counted nor rehearsed\n"
        "            url = 'https://someone:' + os.environ['TOKEN'] + '@host/x'\n"
        "            raise OSError(f'{Path.home()}/data is not at {url}')\n"
        "        return super().forward(images)\n\n\n"
        "def build(depth, width, resolution, num_classes):\n"
        "    wide = round(8 * width)\n"
        "    layers = [nn.Conv2d(3, wide, 3, padding=1)]\n"
        "    layers += [nn.Conv2d(wide, wide, 3, padding=1) for _ in range(round(3 * depth))]\n"
        "    top = [nn.AdaptiveAvgPool2d(1), Sad(), nn.Linear(wide, num_classes)]\n"
        "    return nn.Sequential(*layers, *top)\n"
    )
    environment = {
        **os.environ,
        "HOME": str(home),
        "USER": "canary_user",
        "TOKEN": "canary_token",
        "SCALECTL_GRID_DATA": f"folder:{home}/pets",
    }
    grid = [sys.executable, "-m", "scalectl", "grid", *OPTIONS, "--set", "proxy.width=1"]
    cases = {"good": [], "sad": ["--baseline", "sad_nets:build@32"]}
    for name, more in cases.items():
        command = [*grid, "-o", str(home / "runs" / name), *more]
        result = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        assert result.returncode == (0 if name == "good" else 6), result.stderr
        everything = read_everything(home / "runs" / name)
        assert "canary" not in everything
        assert str(tmp_path) not in everything
        if len(socket.gethostname()) > 4:  # shorter ones stand in random bytes by chance
            assert socket.gethostname() not in everything
        if getpass.getuser() != "root":
            assert getpass.getuser() not in everything
    assert "~/data is not at https://host/x" in everything
    assert "folder pets" in everything


def test_links_in_a_run_lead_nowhere(tmp_path: Path, tiny: Plan) -> None:
    """Whoever may write to a shared run may not have other files written, read or removed."""
    run, victim = tmp_path / "run", tmp_path / "victim"
    victim.write_bytes(b"precious")
    trial = tiny.trials[0]
    for place in ("trials", "checkpoints", "cache", "locks"):
        (run / place).mkdir(parents=True)
    for name in (
        f"trials/{trial.id}.parquet",
        f"checkpoints/{trial.id}",
        f"cache/{trial.data.digests['train']}-train-{trial.candidate.architecture.resolution}.rows",
        "grid.toml",
        "selection.json",
        "FORMAT.json",
        "trials/.0123.tmp",
    ):
        (run / name).symlink_to(victim)
    result = invoke("grid", "-o", str(run), "--executor", "inline", *OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert victim.read_bytes() == b"precious"
    assert invoke("report", str(run)).exit_code == 0
    shutil.rmtree(run / "locks")
    (run / "locks").mkdir()
    (run / "locks" / trial.id).symlink_to(victim)
    (run / "trials" / f"{trial.id}.parquet").unlink()
    result = invoke("grid", "-o", str(run), "--executor", "inline", *OPTIONS)
    assert result.exit_code == 2
    assert f"locks/{trial.id} cannot be written" in result.stderr
    assert victim.read_bytes() == b"precious"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


EVIL = "\x1b[31mred\x07 [bold]bold[/bold] <script>alert(1)</script> | \u202eback"


@pytest.mark.parametrize("form", ["rich", "markdown"])
def test_tables_obey_nothing_that_they_show(form: render.Format) -> None:
    """Neither a terminal's codes, nor markup, nor HTML, nor a bar that ends a cell."""
    table = Table(
        name="evil", title="Evil", columns=(Column("name", "name"),), rows=({"name": EVIL},),
        notes=(EVIL,),
    )  # fmt: skip
    text = render.render(table, form)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "\\x1b[31mred\\x07 [bold]bold[/bold]" in text
    assert form == "rich" or ("<script>" not in text and "\\|" in text)


def test_reports_and_errors_obey_nothing_that_they_name(tmp_path: Path, tiny: Plan) -> None:
    """The name of a folder and the note of its data come from others."""
    run = tmp_path / "\x1b[31m<script>"
    trial = replace(tiny.trials[0], data=replace(tiny.trials[0].data, note=EVIL))
    Store(run).write(Record(trial=trial, state=State.ERROR, error=EVIL))
    for arguments in (["report", str(run)], ["report", str(run / "missing")]):
        result = CliRunner().invoke(main, arguments, color=True)
        assert "\x1b[31m" not in result.output
        assert "\\x1b[31m" in result.output
    markdown = invoke("report", str(run), "--format", "markdown").stdout
    assert "<script>" not in markdown


HOSTILE = (
    "</p></svg><script>alert(1)</script>\"' onload=alert(1) {{ 7 * 7 }} \x1b[31m \u202eback $x^2$"
)


def list_tags(page: str) -> tuple[list[str], list[str]]:
    """And the names of all attributes, as a browser would read them."""
    tags: list[str] = []
    attributes: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            attributes.extend(name for name, _ in attrs)

    Parser().feed(page)
    return tags, attributes


def test_a_page_obeys_nothing_that_it_shows(tmp_path: Path, tiny: Plan) -> None:
    """Names of networks, notes, reasons, versions: all text, in tables, figures and their words."""
    first, second = tiny.trials[:2]
    data = replace(first.data, name=HOSTILE, note=HOSTILE, digests={HOSTILE: HOSTILE})
    baseline = replace(first.baseline, name=HOSTILE)
    candidate = replace(first.candidate, control=HOSTILE)
    evil = replace(first, data=data, baseline=baseline, candidate=candidate)
    run = tmp_path / "<script>alert(2)<"
    store = Store(run)
    store.write(
        Record(
            trial=evil,
            state=State.DONE,
            top1=0.5,
            curve=(1.0, 0.5),
            environment={HOSTILE: HOSTILE},
        )
    )
    store.write(Record(trial=replace(evil, seed=7), state=State.ERROR, error=HOSTILE))
    store.write(Record(trial=second, state=State.DONE, top1=0.4, curve=(1.0, 0.5)))
    target = tmp_path / "page.html"
    result = invoke("report", str(run), "--html", str(target))
    assert result.exit_code == 0, result.output
    page = target.read_text()
    tags, attributes = list_tags(page)
    assert tags.count("script") == 1
    assert not {name for name in attributes if name.startswith("on")}
    assert "alert(1)" in page
    assert "{{ 7 * 7 }}" in page
    assert not {"\x1b", "\u202e"} & set(page)
    # What a browser would run is its own script alone.
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
