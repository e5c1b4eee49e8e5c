import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import factories
import pytest
from click.testing import CliRunner, Result
from factories import ARCHITECTURE_RECORDS, RECORDS
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as Tab

from scalectl.cli import main
from scalectl.commands import load_command
from scalectl.report.figures.style import COLOURS
from scalectl.report.html import page
from scalectl.search.architectures.results import read_architecture_results
from scalectl.search.plan_file import Outlook, PlannedTrial
from scalectl.search.results import Results, read_results
from scalectl.trial import State

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """One that starts: some systems have a script of the name that only tells how to get it."""
    for path in filter(None, map(shutil.which, NAMES)):
        started = subprocess.run([path, "--version"], capture_output=True, check=False)
        if started.returncode == 0:
            return path
    return None


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def build(results: Results) -> str:
    return page.build([("runs/one", results)]).decode()


class Outline(HTMLParser):
    """Tags that are open, ids, and what each heading says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.references += [
            reference for value in values.values() for reference in re.findall(r"(?:url\(|^)#([^)]+)", value or "")
        ]  # fmt: skip
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    runs = {
        "real": read_results(RECORDS),
        "few": factories.few(),
        "many": factories.many(),
        "complete": factories.complete(),
    }
    built = {name: build(results) for name, results in runs.items()}
    architectures = page.build([("runs/nas", read_architecture_results(ARCHITECTURE_RECORDS))])
    both = [("runs/one", runs["few"]), ("runs/two", runs["complete"])]
    return {
        **built,
        "several": page.build(both).decode(),
        "architectures": architectures.decode(),
    }


def test_a_page_is_whole_and_small(pages: dict[str, str]) -> None:
    """Well formed, each id once, every reference to one, below 1 MB."""
    for text in pages.values():
        outline = Outline(text)
        assert outline.open == []
        assert len(set(outline.ids)) == len(outline.ids)
        assert set(outline.references) <= set(outline.ids)
        assert len(text.encode()) < 1_000_000
        assert "DejaVu" not in text


def test_a_page_is_the_same_each_time(pages: dict[str, str]) -> None:
    assert build(factories.complete()) == pages["complete"]


def test_the_first_screen_answers(pages: dict[str, str]) -> None:
    """Which coefficients, how sure, compared with what, at what cost, what next."""
    first = {name: text.partition("<h3>")[0] for name, text in pages.items()}
    assert "IDENTIFIED</p>" in first["complete"]
    assert "scalectl scale --from runs/one --phi 4" in first["complete"]
    assert "against the best of these networks is expected, at most" in first["complete"]
    assert "the best single dimension at equal compute" in first["complete"]
    assert "No claim: 3 seeds" in first["complete"]
    assert "Simulated: nothing was trained." in first["complete"]
    assert "NOT IDENTIFIED</p>" in first["few"]
    assert "More seeds show what is noise" in first["few"]
    assert "scalectl scale --from" in first["real"]
    assert "<dd>1.414</dd>" in first["real"]


def test_a_page_says_what_is_missing_and_shows_what_is_there(pages: dict[str, str]) -> None:
    assert "No latency was measured" in pages["real"]
    assert "No latency was measured" not in pages["complete"]
    assert "it took no step" in pages["complete"]
    assert "Kendall&#39;s tau 0.70" in pages["complete"]
    assert "EfficientNet-B7" in pages["complete"]
    assert "torch 2.14.1" in pages["real"]
    assert "train 5022a4cb4ece6531" in pages["real"]


def test_the_first_screen_of_a_search_of_architectures_answers(pages: dict[str, str]) -> None:
    """Which network, what it costs, how sure, compared with what, what next."""
    first, _, rest = pages["architectures"].partition("<h3>")
    assert "CONFIRMED</p>" in first
    assert "Winner: small_efficientnet_c5dfceafd672" in first
    assert "<dd>25.8 M</dd>" in first
    assert "1.40 x baseline" in first
    assert "better than random, start" in first
    assert first.index("Against the baseline") < first.index("Against random search")
    assert "95 %: +14.34 to +19.90" in first
    commands = re.findall(r"<code>scalectl (\w+) (.+?)</code>", first)
    assert [name for name, _ in commands] == ["grid", "scale"]
    for name, arguments in commands:
        context = load_command(name).make_context(name, arguments.split())
        assert context.params["baseline"] == "runs/nas"
    for title in (
        "Stages of small_efficientnet",
        "Networks",
        "What each choice did",
        "Who proposed",
    ):
        assert f"<h4>{title}" in rest
    assert "Trials without a result" not in rest


STATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unconfirmed": ({"confirmation": None}, "NOT CONFIRMED", "Nothing was confirmed yet"),
    "nothing": ({"networks": (), "confirmation": None}, "NO WINNER", "Try the failed trainings once"),
    "few": ({"confirmation": None}, "NOT CONFIRMED", "Fewer than 10 networks"),
    "baseline": ({"confirmation": None}, "NOTHING BETTER", "nas runs/nas/nas.toml -o runs/nas --trials 92"),
    "unfinished": ({"outlook": Outlook(planned=127, missing=(), is_complete=False)}, "NOT CONFIRMED", "Finish the search"),
}  # fmt: skip
"""What a search of architectures is left with; the verdict; and a part of what the page says of it."""


@pytest.mark.parametrize("state", STATES)
def test_a_page_of_architectures_says_what_is_missing(state: str) -> None:
    changes, badge, words = STATES[state]
    results = read_architecture_results(ARCHITECTURE_RECORDS)
    if state == "few":
        changes = {**changes, "networks": results.networks[:9]}
    if state == "baseline":
        start = (each for each in results.networks if each.proposer == "start")
        changes = {**changes, "networks": (*start, *results.networks)}
    text = page.build([("runs/nas", replace(results, **changes))]).decode()
    assert f"{badge}</p>" in text
    assert words in text
    assert Outline(text).open == []


def test_failures_of_a_search_of_architectures_are_listed() -> None:
    results = read_architecture_results(ARCHITECTURE_RECORDS)
    last = results.records[-1]
    lost = replace(last, state=State.STALLED, top1=None, error="it took no <step>")
    results = replace(results, records=(*results.records[:-1], lost))
    text = page.build([("runs/nas", results)]).decode()
    assert "Trials without a result" in text
    assert "it took no &lt;step&gt;" in text
    assert lost.trial.baseline.name in text.partition("Trials without a result")[2]


def test_several_runs_are_compared_first(pages: dict[str, str]) -> None:
    first = pages["several"].partition("<article")[0]
    assert "2 searches" in first
    assert "identified" in first
    assert pages["several"].count("<article") == 2


def test_an_unfinished_run_says_so() -> None:
    results = factories.few()
    planned = PlannedTrial(trial_id="0" * 16, fingerprint="0" * 12, name="dwr", seed=1)
    outlook = Outlook(planned=26, missing=(planned,) * 21, is_complete=True)
    text = build(replace(results, outlook=outlook))
    assert "Unfinished: 5 of 26 trials are over" in text
    assert "Finish the search" in text


def list_colours(style: str) -> dict[str, tuple[float, float, float]]:
    """Name -> red, green and blue of a scheme, in linear light."""

    def lighten(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    return {
        name: (lighten(red), lighten(green), lighten(blue))
        for name, red, green, blue in re.findall(r"--([\w-]+): #(..)(..)(..);", style)
    }


def contrast(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    """As WCAG 2 defines it: 1 to 21."""
    dark, light = sorted(
        0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (first, second)
    )
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_in_the_light_and_in_the_dark(pages: dict[str, str]) -> None:
    """Words 4.5, what is drawn 3; the heat map runs from nearly the page to far from it."""
    light, dark = (list_colours(part) for part in pages["few"].split("@media", 2)[:2])
    assert light.keys() == dark.keys() > COLOURS.keys()
    for scheme in (light, dark):
        for ground in ("paper", "ground"):
            for name in ("ink", "muted", "compound"):
                assert contrast(scheme[name], scheme[ground]) >= 4.5, (name, ground)
        for name in ("good", "doubt", "bad"):
            assert contrast(scheme[name], scheme[f"{name}-ground"]) >= 4.5, name
        for name in ("chosen", "highest", "single"):
            assert contrast(scheme[name], scheme["paper"]) >= 4.5, name
        heat = [contrast(scheme[f"heat-{level}"], scheme["paper"]) for level in range(9)]
        assert heat == sorted(heat)
        assert heat[-1] > 5


def test_no_colour_of_a_figure_is_left(pages: dict[str, str]) -> None:
    """Or it would be unreadable in the dark."""
    figures = re.findall(r"<svg role.*?</svg>", pages["complete"], re.DOTALL)
    assert len(figures) == 9
    for figure in figures:
        assert not re.findall(r"#[0-9a-f]{6}\b", figure)
        assert set(re.findall(r"var\(--([\w-]+)\)", figure)) <= COLOURS.keys()


def test_a_page_is_written_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be, in one sentence; nothing is left behind."""
    path = tmp_path / "page.html"
    result = invoke("report", str(RECORDS), "--html", str(path))
    assert result.exit_code == 0, result.output
    assert "IDENTIFIED" in result.stdout
    assert "The page is in" in result.stderr
    assert path.read_text().startswith("<!DOCTYPE html>")
    # The page is passed on: it does not say where the run is on this machine.
    assert str(RECORDS.parent) not in path.read_text()
    (tmp_path / "taken.html").mkdir()
    monkeypatch.setattr(page, "build", lambda _: b"what it holds does not matter")
    for place in ("missing/page.html", "taken.html"):
        refused = invoke("report", str(RECORDS), "--html", str(tmp_path / place))
        assert refused.exit_code == 2
        assert "cannot be written" in refused.stderr
    refused = invoke("report", str(RECORDS), "--figures", str(path))
    assert refused.exit_code == 2
    assert "cannot be written: Not a directory" in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "taken.html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip("there is no chromium or chrome here")
    with sync_playwright() as driver:
        # Without its sandbox, which root may not use; all that it opens was written here.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def listen(tab: Tab, said: list[str], asked: list[str]) -> None:
    """Keep what the page says to the console, and what it asks the network for."""
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda problem: said.append(str(problem)))
    tab.on("request", lambda request: asked.append(request.url))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_a_browser_has_no_complaint(
    scheme: str, width: int, browser: Browser, pages: dict[str, str], tmp_path: Path
) -> None:
    """No error, no request but for the file, nothing wider than the screen, words for every figure."""
    for name, text in pages.items():
        path = tmp_path / f"{name}.html"
        path.write_text(text)
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
        tab = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        listen(tab, said, asked)
        tab.goto(path.as_uri())
        assert said == []
        assert asked == [path.as_uri()]
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        figures = tab.locator("figure svg")
        assert figures.count() >= 3
        for number in range(figures.count()):
            assert len(figures.nth(number).get_attribute("aria-label") or "") > 40
            assert figures.nth(number).get_attribute("role") == "img"
        buttons = tab.get_by_text("Copy as CSV")
        assert buttons.count() == tab.locator("table").count()
        context.close()


def test_tables_are_copied_and_can_be_done_without(
    browser: Browser, pages: dict[str, str], tmp_path: Path
) -> None:
    """As plain values; and all tables are there where scripts are not run."""
    path = tmp_path / "page.html"
    path.write_text(pages["real"])
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    tab.goto(path.as_uri())
    tab.locator("[data-table]", has_text="Ranking").get_by_text("Copy as CSV").click()
    tab.get_by_text("Copied").wait_for()
    copied = tab.evaluate("navigator.clipboard.readText()").splitlines()
    expected = invoke("report", str(RECORDS), "--table", "ranking", "--format", "csv").stdout
    assert copied == expected.splitlines()
    tables = tab.locator("table").count()
    context.close()
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(path.as_uri())
    assert tab.locator("table").count() == tables
    assert tab.locator("button").count() == 0
    context.close()
