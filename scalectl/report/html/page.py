"""The report as one page: it opens from the disk, needs no network, and runs no script but its own."""

import base64
import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from importlib.metadata import version
from statistics import fmean

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from scalectl.analysis.evidence import say_amount
from scalectl.errors import printable
from scalectl.report import figures
from scalectl.report.account import list_account
from scalectl.report.advice import advise, search_again
from scalectl.report.figures import DescribedFigure
from scalectl.report.figures.style import COLOURS, DARK, count_up, is_chosen
from scalectl.report.prose import count_trials, in_brief, in_words
from scalectl.report.published import tabulate_literature
from scalectl.report.render import plain, pluralise, show
from scalectl.report.tables import TABLES, Table, tabulate
from scalectl.report.tables.comparison import tabulate_runs
from scalectl.search.results import Results


@dataclass(frozen=True, slots=True)
class Fact:
    """A number at the head of the page: its title, the number, and what it means."""

    title: str
    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContent:
    """What the template shows of one run."""

    key: str
    """The prefix of the run's ids in the page."""
    path: str
    """The run's folder or file as commands name it."""
    results: Results
    figures: Mapping[str, DescribedFigure]
    tables: Mapping[str, Table]
    facts: tuple[Fact, ...]
    provenance: tuple[tuple[str, str], ...]


def build(runs: Sequence[tuple[str, Results]]) -> bytes:
    """Write the page for runs, each a path as commands name it and its results.

    The bytes are the same each time.
    """
    environment = Environment(
        loader=PackageLoader("scalectl.report", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        function.__name__: function
        for function in (
            *(advise, count_trials, in_brief, in_words, plain, show),
            *(draw_inline, draw_line, tabulate_literature),
        )
    }
    script = resources.files("scalectl.report.html").joinpath("page.js").read_text("utf-8")
    page = environment.get_template("page.html").render(
        runs=[_collect(f"r{number}", *run) for number, run in enumerate(runs, 1)],
        comparison=tabulate_runs([results for _, results in runs]) if len(runs) > 1 else None,
        dark=DARK,
        version=version("scalectl"),
        # Nothing in it comes from a run, and its digest is what the page's policy lets run.
        script=Markup(script),  # noqa: S704
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page.encode()


def draw_line(value: object) -> str:
    """Convert a curve to the points of a line in an SVG of 100 x 20; "" for anything else."""
    if not isinstance(value, tuple) or len(value) < 2:
        return ""
    low, high = min(value), max(value)
    return " ".join(
        f"{100 * number / (len(value) - 1):.1f},{18 - 16 * (height - low) / ((high - low) or 1):.1f}"
        for number, height in enumerate(value)
    )


def draw_inline(drawing: DescribedFigure, key: str) -> Markup:
    """Draw a figure as part of the page: its colours are the page's, its ids begin with `key`."""
    assert drawing.figure is not None
    svg = figures.encode(drawing.figure, "svg").decode()
    view = re.search(r'viewBox="([\d. ]+)"', svg)
    assert view is not None
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    body = body[body.index(">", body.index("<svg")) + 1 :]
    body = re.sub(r'( id="|url\(#|href="#)', rf"\1{key}-{drawing.name}-", body)
    body = re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', _round_coordinates, body)
    body = re.sub(r"font(?:-family)?: [^;\"]*'DejaVu Sans'[^;\"]*", _drop_font, body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    words = escape(printable(f"{drawing.title}. {drawing.text}"))
    # matplotlib has escaped what it was given.
    return Markup(f'<svg role="img" viewBox="{view[1]}" aria-label="{words}">{body}')  # noqa: S704


def _finalise(value: object) -> object:
    """Escape the signs in names from anyone's files that could turn or hide others."""
    return printable(value) if type(value) is str else value


def _collect(key: str, path: str, results: Results) -> RunContent:
    return RunContent(
        key=key,
        path=path,
        results=results,
        figures={drawing.name: drawing for drawing in figures.draw_all(results)},
        tables={name: tabulate(name, results) for name in TABLES},
        facts=tuple(_list_facts(results)),
        provenance=tuple(_list_provenance(results, path)),
    )


def _list_facts(results: Results) -> Iterator[Fact]:
    """Yield top-1, expected regret, lead on the best single dimension, and what the search has cost."""
    selection, trial = results.selection, results.records[0].trial
    chosen = next((each for each in results.summaries if is_chosen(each.candidate, results)), None)
    if chosen and chosen.mean_top1 is not None:
        sd = "" if chosen.sd_top1 is None else f"sd {100 * chosen.sd_top1:.2f} points, "
        images = trial.data.sizes.get("select")
        split = f"{images:,} select images" if images else "the select split"

        yield Fact(
            "Top-1",
            f"{chosen.mean_top1:.1%}",
            f"of {chosen.candidate.name}: {sd}{pluralise(chosen.n, 'seed')}, {split}, "
            f"{pluralise(trial.recipe.epochs, 'epoch')}",
        )
    evidence, standing = selection.evidence, selection.standing
    if evidence and standing:
        yield Fact(
            "It may lose",
            say_amount(standing.regret, evidence),
            f"against the best of these networks is expected, at most "
            f"{say_amount(standing.bound, evidence)} with 95 %; it is within "
            f"{say_amount(evidence.delta, evidence)} with {standing.chance_within:.0%}",
        )
    singles = [
        each
        for each in selection.standings
        if each.summary.candidate.control in ("depth", "width", "resolution")
        and each is not standing
    ]
    if evidence and singles:
        gain, low, high = (
            f"{100 * part:+.2f}".replace("-", "\N{MINUS SIGN}") for part in singles[0].behind
        )
        yield Fact(
            "Compared with",
            gain,
            f"{evidence.percent} against {singles[0].summary.candidate.control}, the best single dimension at "
            f"equal compute (95 %: {low} to {high})",
        )
    macs = sum(record.macs_spent for record in results.records)
    hours = sum(record.seconds for record in results.records) / 3600
    yield Fact(
        "At what cost",
        pluralise(len(results.records), "trial"),
        f"{count_up(macs)} multiply-adds of training, {hours:.1f} hours of one worker",
    )


def _list_provenance(results: Results, run: str) -> Iterator[tuple[str, str]]:
    trial = results.records[0].trial
    card = trial.data
    yield "Report", f"scalectl {version('scalectl')}"
    for number, environment in enumerate(results.fingerprints, 1):
        name = f"Trained with ({number})" if len(results.fingerprints) > 1 else "Trained with"
        yield name, ", ".join(f"{key} {value}" for key, value in environment.items())
    yield "Baseline", f"{trial.baseline.name} at {trial.baseline.resolution} px"
    sizes = ", ".join(f"{count:,} {split}" for split, count in card.sizes.items())
    yield "Data", f"{card.name}: {card.classes} classes, {sizes}; native size {card.native} px"
    yield from list_account(card)
    yield "Digests", ", ".join(f"{split} {digest}" for split, digest in card.digests.items())
    yield "Recipe", ", ".join(f"{key} {value}" for key, value in asdict(trial.recipe).items())
    if command := search_again(results, run):
        yield "Searched by", command
    yield "Reported by", f"{shlex.join(['scalectl', 'report', run])} --html FILE"
    yield "Seeds", ", ".join(map(str, results.seeds))
    spent = [record.peak_memory for record in results.records if record.peak_memory]
    if spent:
        yield "Memory", f"{fmean(spent) / 2**20:,.0f} MiB for a trial on average"


def _round_coordinates(attribute: re.Match[str]) -> str:
    """Cut the coordinates of an SVG attribute to two decimals, which halves the page."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def _drop_font(style: re.Match[str]) -> str:
    """Remove the name of the font from an SVG style, and keep size and weight: the page has its own."""
    size = re.search(r"[\d.]+px", style[0])
    weight = "font-weight: 600; " if re.search(r"bold|700", style[0]) else ""
    return f"{weight}font-size: {size[0]}" if size else "font-style: normal"
